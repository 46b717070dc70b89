"""Multi30k as papers measure it: prepare the text, compare recipes on the validation set, score a finished run once.

    python benchmarks/multi30k.py prepare FILES TEXT          train.*.en.gz, val.*, test_2016_flickr.* -> a folder
    python train.py --data TEXT --bpe-dropout 0.1 ...         learns from it; does not see the test set
    python benchmarks/multi30k.py compare TEXT RUNS [--epochs 8] [--only NAME ...]
    python benchmarks/multi30k.py score RUN --text TEXT [--test]

FILES holds the corpus's files, raw (task1/raw) or lowercased, normalised and tokenised (task1/tok, names with
.lc.norm.tok), plain or compressed. The second is what Wu et al. (2021) and most multimodal papers report BLEU on; it
is then the BLEU of tokens (tok:none), and cannot be compared with that of raw text (13a).

`compare` trains the recipe below and, each with one change, its variants, all for equally many epochs, and prints a
table: nats per character (a token of another vocabulary is another unit) and BLEU, both of the validation set. A row
whose run folder exists goes on, or is only read.

`score` chooses how many checkpoints are averaged, then beam and length penalty, by BLEU of the validation set. Only
--test reads the test set: once, with what was chosen.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy_transformer as nt
from numpy_transformer.data.clean_text import clean_text
from numpy_transformer.data.files import ParallelText, find_text_file, read_parallel
from numpy_transformer.errors import InputError
from numpy_transformer.program import run_program
from numpy_transformer.training.metrics import bleu, chrf, looks_tokenised
from numpy_transformer.training.run_folder import RunFolder

TEST = "test_2016_flickr"  # its name in TEXT too, so that train.py does not take it for its own test text
PARTS = {"train": "train", "val": "valid", TEST: TEST}
RECIPE: dict[str, Any] = {
    "vocabulary": 4000,
    "bpe_dropout": 0.1,
    "dropout": 0.3,
    "batch_tokens": 2048,
    "warmup": 1000,
    "rate_scale": 0.75,
    "average": 5,
}
CHANGES: dict[str, dict[str, Any]] = {
    "recipe": {},
    "no BPE-dropout": {"bpe_dropout": 0.0},
    "BPE-dropout 0.05": {"bpe_dropout": 0.05},
    "vocabulary 8000": {"vocabulary": 8000},
    "vocabulary 10000": {"vocabulary": 10_000},
    "dropout 0.2": {"dropout": 0.2},
    "attention dropout 0.1": {"attention_dropout": 0.1},
    "label smoothing 0.2": {"label_smoothing": 0.2},
    "batches of 4096": {"batch_tokens": 4096},
    "peak of the rate x 2": {"rate_scale": 1.5},
    "consistency 5": {"consistency": 5.0},
}
AVERAGES = (1, 3, 5, 10)
BEAMS = (4, 5, 8)
ALPHAS = (0.6, 0.8, 1.0, 1.2, 1.5, 2.0)


def prepare(files: Path, text: Path) -> None:
    """Copy each file to the name that --data TEXT looks for. Raises InputError naming one that is missing."""
    text.mkdir(parents=True, exist_ok=True)
    for (theirs, ours), language in product(PARTS.items(), ("en", "de")):
        names = [f"{theirs}{infix}.{language}" for infix in ("", ".lc.norm.tok")]
        found = next((path for name in names if (path := find_text_file(files, name))), None)
        if found is None:
            raise InputError(f"{files}: holds neither {' nor '.join(names)}, plain, .gz or .xz: get Multi30k's task 1")
        suffix = found.suffix if found.suffix in (".gz", ".xz") else ""
        shutil.copyfile(found, text / f"{ours}.{language}{suffix}")
        print(text / f"{ours}.{language}{suffix}")


def part(text: Path, name: str) -> ParallelText:
    """A part of the text in TEXT, cleaned as in training."""
    paths = [find_text_file(text, f"{name}.{language}") for language in ("en", "de")]
    if paths[0] is None or paths[1] is None:
        raise InputError(f"{text}: holds no {name}.en and {name}.de: make it with `multi30k.py prepare`")
    read = read_parallel(paths[0], paths[1])
    return ParallelText([clean_text(line) for line in read.sources], [clean_text(line) for line in read.targets])


class Row(NamedTuple):
    """What a recipe came to."""

    name: str
    steps: int
    per_character: float  # nats, the lowest of all evaluations
    bleu: float  # of the whole validation set, beam 4
    minutes: float


def compare(text: Path, runs: Path, only: Iterable[str], *, epochs: int, workers: int | None) -> None:
    """Train and print, row by row."""
    valid = part(text, "valid")
    tokenised = looks_tokenised(valid.targets)
    print(f"| change | steps | nats per character | BLEU ({'tokens' if tokenised else '13a'}) | minutes |")
    print("|---|---|---|---|---|", flush=True)
    for name in only or CHANGES:
        if name not in CHANGES:
            raise InputError(f"--only {name!r}: choose from {', '.join(CHANGES)}")
        row = trained(name, text, runs / name.replace(" ", "-"), valid, epochs, workers, tokenised=tokenised)
        print(
            f"| {row.name} | {row.steps:,} | {row.per_character:.4f} | {row.bleu:.2f} | {row.minutes:.0f} |", flush=True
        )


def trained(
    name: str, text: Path, folder: Path, valid: ParallelText, epochs: int, workers: int | None, *, tokenised: bool
) -> Row:
    """One row: its run is made, or goes on, or is read."""
    recipe = {**RECIPE, **CHANGES[name]}
    per_epoch = 600_000 // recipe["batch_tokens"]  # updates, about
    if not (folder / "config.json").exists():
        every = max(1, per_epoch * epochs // 20)
        options = {**recipe, "tokenised": tokenised, "evaluate_every": every, "epochs": epochs, "workers": workers}
        nt.train(data=text, run=folder, quiet=True, **options)
    elif not any(record["kind"] == "test" for record in RunFolder(folder).read_log()):
        nt.train(run=folder, resume=True, quiet=True, epochs=epochs)
    log = RunFolder(folder).read_log()
    [test] = [record for record in log if record["kind"] == "test"]
    loss = min(record["loss"] for record in log if record["kind"] == "evaluation")
    tokenizer = RunFolder(folder).read_tokenizer()
    predictions = sum(len(ids) + 1 for ids in tokenizer.encode_batch(valid.targets))
    per_character = loss * predictions / sum(len(target) + 1 for target in valid.targets)
    scores = [score for signature, score in test["further_scores"].items() if "tok:none" in signature]
    return Row(name, test["step"], per_character, scores[0] if tokenised else test["bleu"], test["seconds"] / 60)


class Choice(NamedTuple):
    """How a run's checkpoints become translations, and how good those of the validation set are."""

    bleu: float
    average: int
    beam: int
    alpha: float


def score(folder: RunFolder, text: Path, *, with_test: bool, output: Path | None) -> None:
    """Choose on the validation set; then, on request, the test set."""
    valid = part(text, "valid")
    tokenised = looks_tokenised(valid.targets)
    tokenizer = folder.read_tokenizer()
    translators: dict[int, nt.Translator] = {}

    def tried(average: int, beam: int, alpha: float) -> Choice:
        if average not in translators:
            model, _ = folder.average(nt.Transformer, average, device="cpu")
            translators[average] = nt.Translator(model, tokenizer)
        found = translators[average].translate(valid.sources, beam=beam, alpha=alpha)
        result = bleu(found, valid.targets, tokenised=tokenised)
        print(
            f"validation: mean of {average}, beam {beam}, alpha {alpha}: {result.score:.2f}, "
            f"brevity penalty {result.brevity_penalty:.3f}",
            flush=True,
        )
        return Choice(result.score, average, beam, alpha)

    count = len(folder.step_files())
    if not count:
        raise InputError(f"{folder.path}: holds no checkpoint yet: let it train until its first evaluation")
    averages = [number for number in AVERAGES if number <= count]
    best = max(tried(average, 4, 0.6) for average in averages)
    best = max(tried(best.average, beam, alpha) for beam, alpha in product(BEAMS, ALPHAS))
    print(f"chosen: mean of {best.average} checkpoints, beam {best.beam}, alpha {best.alpha}")
    if not with_test:
        return
    test = part(text, TEST)
    translations = translators[best.average].translate(test.sources, beam=best.beam, alpha=best.alpha)
    if output is not None:
        output.write_text("".join(line.replace("\n", " ") + "\n" for line in translations), encoding="utf-8")
    if tokenised:
        print(f"{TEST}: {bleu(translations, test.targets, tokenised=True)}")
    print(f"{TEST}: {bleu(translations, test.targets)}")
    print(f"{TEST}: {chrf(translations, test.targets)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("prepare", help="a folder for --data from the corpus's files")
    one.add_argument("files", metavar="FILES", type=Path)
    one.add_argument("text", metavar="TEXT", type=Path)
    one = commands.add_parser("compare", help="a table of recipes, one change at a time")
    one.add_argument("text", metavar="TEXT", type=Path)
    one.add_argument("runs", metavar="RUNS", type=Path, help="where the rows' run folders stand")
    one.add_argument("--epochs", type=int, default=8, help="of each row (%(default)s)")
    one.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these rows")
    one.add_argument("--workers", type=int, metavar="N")
    one = commands.add_parser("score", help="choose on the validation set, then measure")
    one.add_argument("run", metavar="RUN", type=Path)
    one.add_argument("--text", metavar="TEXT", type=Path, required=True)
    one.add_argument("--test", action="store_true", help="read the test set, once")
    one.add_argument("--output", metavar="FILE", type=Path, help="for the test set's translations")
    options = parser.parse_args()
    if options.command == "prepare":
        prepare(options.files, options.text)
    elif options.command == "compare":
        compare(options.text, options.runs, options.only, epochs=options.epochs, workers=options.workers)
    else:
        score(RunFolder(options.run), options.text, with_test=options.test, output=options.output)


if __name__ == "__main__":
    sys.exit(run_program(main))
