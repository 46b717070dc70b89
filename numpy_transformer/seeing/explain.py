"""The story of a beam search for a terminal."""

from collections.abc import Iterator
from typing import TextIO

from numpy_transformer.seeing.story import Branch, Chapter, Story

FATES = {"live": "goes on", "finished": "finished", "dropped": "dropped"}


def explain(story: Story, file: TextIO) -> None:
    """Write the story; on a terminal the winner's path is bold and dropped hypotheses are dim."""
    from rich.console import Console  # needed by few

    console = Console(file=file, markup=False, emoji=False, highlight=False, soft_wrap=True)
    for line, style in story_lines(story):
        console.print(line, style=style)


def story_lines(story: Story) -> Iterator[tuple[str, str]]:
    """Each line and its style."""
    kept = "best of all continuations is" if story.beam == 1 else f"best {story.beam} of all continuations are"
    yield f"Beam search: after each step the {kept} kept.", ""
    yield "log p is the token's log-probability, total that of the whole hypothesis;", ""
    yield f"score = total / penalty, penalty = ((5 + length) / 6)^{story.alpha:g}. * marks the path to the winner.", ""
    for number, chapter in enumerate(story.chapters, 1):
        yield "", ""
        yield f"step {number}, penalty {chapter.penalty:.3f}", "bold"
        yield from _table(chapter)
        for event in chapter.events:
            yield f"  {event}", "italic"
    yield "", ""
    yield "finished, best first", "bold"
    for one in story.finished:
        yield f"  {one.arithmetic}   {one.text}", ""
    yield "", ""
    yield story.reason, "bold"


def _table(chapter: Chapter) -> Iterator[tuple[str, str]]:
    yield "       log p     total     score             hypothesis", "dim"
    for place, branch in enumerate(chapter.branches, 1):
        if branch.total is None:
            continue
        numbers = "".join(_number(value) for value in (branch.log_probability, branch.total, branch.score))
        mark = "*" if branch.wins else " "
        style = "bold" if branch.wins else "dim" if branch.fate == "dropped" else ""
        yield f"{mark}{place:2} {numbers}  {FATES[branch.fate]:<9} {_marked(branch)}", style


def _number(value: float | None) -> str:
    return f"{'-inf' if value is None else format(value, '.3f'):>10}"


def _marked(branch: Branch) -> str:
    """The hypothesis with its last token in brackets."""
    piece = branch.token.removeprefix("␣")
    before = branch.text.removesuffix(piece).removesuffix("\N{REPLACEMENT CHARACTER}")  # of a part of a character
    return f"{before}[{piece}]"
