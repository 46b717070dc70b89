"""Parse English sentences: python -m numpy_transformer.parse TEXT ... [options]; see --help."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bpe.arguments import CommandParser
from numpy_transformer.commands.latest import RUNS, named_or_latest
from numpy_transformer.commands.text_lines import argument_lines, open_input, open_output, read_lines
from numpy_transformer.data.penn_words import split_words
from numpy_transformer.data.trees import SyntaxTree
from numpy_transformer.errors import InputError
from numpy_transformer.program import add_version
from numpy_transformer.storage.run_files import runs_in
from numpy_transformer.tasks.opening import open_parser
from numpy_transformer.tasks.parsing import TOGETHER, Parser

STANDARD_INPUT = "standard input"


class Line(NamedTuple):
    """A sentence to parse, as words, and what to call it in a message. A blank line has no words."""

    name: str
    words: list[str]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(
        prog="python -m numpy_transformer.parse",
        description="Find the syntax tree of each sentence: a TEXT, or a line of the input.",
        epilog="Train a parser first: python train.py --data phrasebook-trees",
    )
    add_version(parser)
    add = parser.add_argument
    add("text", nargs="*", metavar="TEXT", help="a sentence; without any, lines of standard input")
    add("--model", metavar="MODEL", help="run folder or checkpoint (the latest run of a parser)")
    add("--input", metavar="FILE", help="sentences from a file, plain, .gz or .xz, one a line")
    add("--output", metavar="FILE", help="write there instead of to standard output")
    add("--brackets", action="store_true", help="each tree on one line: one line out for each line in")
    add("--svg", metavar="FILE.svg", help="draw the tree of the sentence, too")
    add("--split", action="store_true", help="words and punctuation are split at spaces already")
    add("--beam", type=int, default=4, metavar="N", help="width of the search (%(default)s)")
    add("--device", choices=("cpu", "gpu"), default="cpu", help="cpu (NumPy, default) or gpu (CuPy)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Parse as the command line says."""
    options = parse_arguments(arguments)
    if options.beam < 1:
        raise InputError(f"--beam is {options.beam}; it must be at least 1")
    if options.text and options.input is not None:
        raise InputError("give TEXT or --input, not both")
    texts = argument_lines(options.text)
    if options.svg is not None and len(texts) != 1:
        raise InputError("--svg draws one sentence: give one TEXT")
    if options.model is None and not runs_in(RUNS, with_model=True, kind="parser"):
        raise InputError(f"there is no parser in {RUNS}/ yet: python train.py --data phrasebook-trees")
    parser = Parser(*open_parser(named_or_latest(options.model, kind="parser"), device=options.device))
    with open_output(options.output) as output:
        for line, tree in _parsed(parser, _lines(options, texts), options):
            if options.svg is not None:
                _draw(options.svg, line, tree)
            text = "" if tree is None else str(tree) if options.brackets else tree.indented()
            output.write(f"{text}\n".encode())
            output.flush()


def _lines(options: argparse.Namespace, texts: list[str]) -> Iterator[Line]:
    """The sentences of the arguments, the file or standard input. Raises InputError for one that cannot be read."""

    def numbered(lines: Iterable[str], name: str) -> Iterator[Line]:
        for number, line in enumerate(lines, start=1):
            yield Line(f"{name} {number}", line.split() if options.split else split_words(line))

    if texts:
        yield from numbered(texts, "TEXT")
        return
    with open_input(options.input, "parsing") as file:
        name = STANDARD_INPUT if options.input is None else options.input
        yield from numbered(read_lines(file, name), f"{name}, line")


def _parsed(
    parser: Parser, lines: Iterator[Line], options: argparse.Namespace
) -> Iterator[tuple[Line, SyntaxTree | None]]:
    """Each line with its tree, None for a blank one. Several are parsed together, but what is typed at once."""
    typed = not options.text and options.input is None and sys.stdin is not None and sys.stdin.isatty()
    together = 1 if typed else TOGETHER
    waiting: list[Line] = []

    def trees() -> Iterator[tuple[Line, SyntaxTree | None]]:
        found = iter(parser.parse([line.words for line in waiting if line.words], beam=options.beam))
        yield from ((line, next(found) if line.words else None) for line in waiting)
        waiting.clear()

    for line in lines:
        if line.words:
            parser.check(line.words, line.name)
        waiting.append(line)
        if len(waiting) == together:
            yield from trees()
    yield from trees()


def _draw(path: str, line: Line, tree: SyntaxTree | None) -> None:
    from numpy_transformer.seeing.tree_drawing import save_tree

    if tree is None:
        raise InputError(f"{line.name} is blank: there is no tree to draw")
    save_tree(path, tree)
