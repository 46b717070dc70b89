"""Write the layers yourself: python -m numpy_transformer.exercises list|start|check|hint|show|progress|train|teach."""

import argparse
import difflib
import inspect
import json
import sys
from pathlib import Path

from numpy_transformer.errors import InputError
from numpy_transformer.exercises.catalogue import EXERCISES
from numpy_transformer.exercises.checker import Verdict, check
from numpy_transformer.exercises.exercise import Exercise
from numpy_transformer.exercises.language import Texts
from numpy_transformer.exercises.solution import RefusedError, Solution
from numpy_transformer.exercises.workbook import Workbook
from numpy_transformer.program import run_program

MOST_ROUNDING = 1e-3  # of the loss, after the default number of steps


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m numpy_transformer.exercises", description="Write the layers of a Transformer yourself."
    )
    parser.add_argument("--texts", type=Path, metavar="FILE.toml", help="a translation of english.toml")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--folder", type=Path, default=Path("exercises"), help="where your solutions are (exercises)")

    def command(name: str, help: str, *, with_folder: bool = True) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=help, parents=[folder] if with_folder else [])

    command("list", "all exercises, and which you have solved")
    for name, help in (
        ("start", "write the files to begin with; nothing is overwritten"),
        ("check", "say what is right, and what the mistake is"),
    ):
        command(name, help).add_argument("names", nargs="*", metavar="NAME", help="exercises (all, or the first files)")
    commands.choices["check"].add_argument("--json", type=Path, metavar="FILE", help="write points and findings")
    command("hint", "the next hint").add_argument("name", metavar="NAME")
    show = command("show", "the statement and the package's own function", with_folder=False)
    show.add_argument("name", metavar="NAME")
    show.add_argument("--mistakes", action="store_true", help="list the slips that the checker knows")
    command("progress", "your points")
    train = command("train", "train a Transformer with your layers in place of ours")
    train.add_argument("names", nargs="*", metavar="NAME", help="which of your functions (all that are solved)")
    train.add_argument("--steps", type=int, default=100, help="updates (100)")
    train.add_argument("--mistake", metavar="LABEL", help="instead of yours: one of ours with this slip")
    train.add_argument("--plot", type=Path, metavar="FILE.png", help="draw both curves")
    teach = command("teach", "make the folder that a class begins with", with_folder=False)
    teach.add_argument("kind", choices=("github", "nbgrader"))
    teach.add_argument("out", type=Path, metavar="FOLDER")
    teach.add_argument("names", nargs="*", metavar="NAME", help="exercises (all)")
    return parser.parse_args(arguments)


def chosen(names: list[str], texts: Texts) -> list[Exercise]:
    """The exercises of these names; all if there are none. Raises InputError for an unknown one."""
    for name in names:
        if name not in EXERCISES:
            near = difflib.get_close_matches(name, EXERCISES, n=1)
            if not near:
                raise InputError(texts.message("unknown_at_all", name=name))
            raise InputError(texts.message("unknown", name=name, suggestion=near[0]))
    return [EXERCISES[name] for name in names] or list(EXERCISES.values())


def list_exercises(workbook: Workbook, texts: Texts) -> None:
    """A table in the order of the road."""
    solved, chapter = workbook.solved(), ""
    for exercise in EXERCISES.values():
        if exercise.chapter != chapter:
            chapter = exercise.chapter
            print(f"\n{texts.chapter(chapter)}")
        mark = "x" if exercise.name in solved else " "
        title = texts.title(exercise.name)
        print(f"  [{mark}] {exercise.name:26} {title:50} {exercise.minutes:3} min  {exercise.points} p")


def check_solutions(
    workbook: Workbook, texts: Texts, names: list[str], *, json_file: Path | None, texts_file: Path | None
) -> int:
    """The verdict on each; the status tells whether all are right."""
    exercises = chosen(names, texts)
    if not names:  # those that were started
        exercises = [exercise for exercise in exercises if workbook.file(exercise).exists()]
        if not exercises:
            raise InputError(f"{workbook.folder} holds no exercise yet: begin with start")
    verdicts = []
    for exercise in exercises:
        verdict = check(exercise, workbook.file(exercise), texts, texts_file=texts_file)
        verdicts.append(verdict)
        say(verdict, exercise, workbook, texts)
    if json_file:
        from numpy_transformer.exercises.classroom import report
        from numpy_transformer.storage.text_files import write_text

        write_text(json_file, json.dumps(report(verdicts, workbook), indent=1) + "\n")
    return 0 if all(verdict.right for verdict in verdicts) else 1


def say(verdict: Verdict, exercise: Exercise, workbook: Workbook, texts: Texts) -> None:
    """Prints a verdict, and keeps what was solved."""
    if not verdict.right:
        print(f"{exercise.name}:", *verdict.lines, sep="\n    ")
        if len(verdict.lines) > 1:  # it ran
            print("    " + texts.message("hint", name=exercise.name))
        return
    workbook.record(exercise.name)
    left = [name for name in EXERCISES if name not in workbook.solved()]
    message = "right" if left else "last"
    print(texts.message(message, name=exercise.name, points=exercise.points, next=left[0] if left else ""))


def give_hint(workbook: Workbook, texts: Texts, name: str) -> None:
    """The next hint; each is counted once."""
    [exercise] = chosen([name], texts)
    hints, number = texts.hints(exercise.name), workbook.hints_taken(name)
    for hint in hints[: number + 1]:
        print(hint)
    if number < len(hints):
        workbook.take_hint(name)
    else:
        print(texts.message("no_hint", name=name))


def show(texts: Texts, name: str, *, mistakes: bool) -> None:
    """The statement and the package's function; with `mistakes`, the slips that the checker knows."""
    [exercise] = chosen([name], texts)
    if mistakes:
        from numpy_transformer.exercises.verdict import slips

        for mutant, _ in slips(exercise):
            print(mutant.label)
        return
    print(f"{texts.title(name)}\n\n{texts.statement(name)}\n")
    for function in dict.fromkeys((*exercise.mutated, inspect.unwrap(exercise.reference))):
        print(inspect.getsource(function))


def train(workbook: Workbook, texts: Texts, options: argparse.Namespace) -> None:
    """Both losses side by side, and whether they are the same in every bit."""
    from numpy_transformer.exercises.practice import IN_TRAINING, Practice, draw, find_mutant

    if options.steps < 2:
        raise InputError("--steps must be at least 2: the first loss comes before any update")
    mutant = find_mutant(options.mistake) if options.mistake else None
    names = [] if mutant else options.names or [name for name in workbook.solved() if name in IN_TRAINING]
    if unused := [exercise.name for exercise in chosen(names, texts) if exercise.name not in IN_TRAINING and names]:
        raise InputError(f"{unused[0]} has no place in the trainer; these have: {', '.join(IN_TRAINING)}")
    if not names and not mutant:
        raise InputError("none of your functions is solved yet that has a place in the trainer: check one first")
    sys.path.insert(0, str(workbook.folder))
    try:
        own = {name: Solution(EXERCISES[name], workbook.file(EXERCISES[name]), texts).load() for name in names}
    except RefusedError as error:
        raise InputError(str(error)) from None
    print("with", mutant.label if mutant else "yours, as they stand now: " + ", ".join(own))
    if unplaced := [name for name in workbook.solved() if name not in IN_TRAINING and not options.names and not mutant]:
        print("not used in training:", ", ".join(unplaced))
    print(f"{'step':>6} {'ours':>12} {'yours' if own else 'mistaken':>12} {'difference':>12}")
    practice = Practice()
    curves: dict[str, list[float]] = {"ours": [], "yours" if own else "with the mistake": []}
    one, other = curves.values()
    pairs = zip(practice.losses({}, options.steps), practice.losses(own, options.steps, mutant), strict=True)
    for step, (right, found) in enumerate(pairs, 1):
        one.append(right)
        other.append(found)
        if step == 1 or step % 10 == 0:
            print(f"{step:6} {right:12.6f} {found:12.6f} {found - right:12.2e}", flush=True)
    print(compared(one, other))
    if options.plot:
        draw(options.plot, curves)


def compared(ours: list[float], theirs: list[float]) -> str:
    """In words, how two curves of losses differ."""
    if ours == theirs:
        return "the losses are the same in every bit"
    largest = max(abs(a - b) / a for a, b in zip(ours, theirs, strict=True))
    if largest < MOST_ROUNDING:
        return (
            f"the losses are the same but for rounding (at most {largest:.0e} of the loss), which grows with every step"
        )
    return f"the losses differ (by up to {largest:.0e} of the loss): what was exchanged computes something else"


def main(arguments: list[str] | None = None) -> int:
    """The program. Returns its exit status."""
    options = parse_arguments(arguments)
    texts = Texts.load(options.texts)
    workbook = Workbook(getattr(options, "folder", Path("exercises")), texts)
    match options.command:
        case "list":
            list_exercises(workbook, texts)
        case "start":
            print(*workbook.start(chosen(options.names, texts)), sep="\n")
        case "check":
            return check_solutions(workbook, texts, options.names, json_file=options.json, texts_file=options.texts)
        case "hint":
            give_hint(workbook, texts, options.name)
        case "show":
            show(texts, options.name, mistakes=options.mistakes)
        case "progress":
            solved = workbook.solved()
            points = sum(EXERCISES[name].points for name in solved)
            most = sum(exercise.points for exercise in EXERCISES.values())
            print(texts.message("progress", done=len(solved), all=len(EXERCISES), points=points, most=most))
        case "train":
            train(workbook, texts, options)
        case "teach":
            from numpy_transformer.exercises.classroom import make

            make(options.kind, options.out, chosen(options.names, texts), texts)
            print(f"{options.out} written")
    return 0


if __name__ == "__main__":
    sys.exit(run_program(main))
