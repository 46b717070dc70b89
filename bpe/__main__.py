"""python -m bpe train | encode | decode | show: the tokenizer at the command line, in pipes and from file to file.

Text is read and written as UTF-8 lines that end in a line feed, ids as numbers separated by spaces. Messages and
progress go to standard error. After an error the exit status is 2, and one line says how to fix it.
"""

import argparse
import contextlib
import lzma
import os
import sys
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from . import __version__, show
from .arguments import CommandParser
from .compressed import open_decompressed
from .errors import TokenizerError
from .pretokenizer import NAMED_PATTERNS, spell
from .signals import ending_signals, status_of
from .storage import whole_file, write_text
from .tokenizer import DEFAULT_SPECIAL_TOKENS, Tokenizer
from .training import train

LONGEST_LINE = 1 << 24  # bytes; memory stays bounded even if the input never has a line end


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    if sys.stderr is None:  # started without one: messages go nowhere, rather than to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the end)
    options = _parser().parse_args(arguments)
    try:
        with ending_signals():
            options.run(options)
    except TokenizerError as error:
        return _complain(f"error: {error}", 2)
    except MemoryError:
        return _complain("error: out of memory: cut the input into smaller files, with shorter lines", 2)
    except KeyboardInterrupt as interrupt:
        return _complain("interrupted", status_of(interrupt))
    except BrokenPipeError:  # the reader of the pipe has closed it
        _silence_standard_output()
    return 0


def _complain(message: str, status: int) -> int:
    with contextlib.suppress(OSError):  # nobody reads it, or its disk is full
        print(" ".join(message.splitlines()), file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m bpe", description="Byte-level byte-pair encoding.")
    parser.add_argument("--version", action="version", version=f"bpe of numpy_transformer {__version__}")
    commands = parser.add_subparsers(required=True, metavar="train|encode|decode|show")

    command = commands.add_parser("train", help="learn a tokenizer from text")
    command.add_argument("files", nargs="*", metavar="FILE", help="text, plain, .gz or .xz; default: standard input")
    command.add_argument("--vocabulary", type=int, default=8000, metavar="N", help="number of tokens (8000)")
    command.add_argument("--output", required=True, metavar="FILE", help="where to write the tokenizer")
    command.add_argument("--pattern", default="gpt2", help="gpt2, cl100k or a regular expression (gpt2)")
    command.add_argument("--special", action="append", default=[], metavar="NAME", help="one more special token")
    command.add_argument("--protect", action="append", default=[], metavar="TERM", help="a term that is never split")
    command.add_argument("--minimum-frequency", type=int, default=2, metavar="N", help="of a merged pair (2)")
    command.add_argument("--processes", type=int, default=1, metavar="N", help="for counting; pays on large files (1)")
    command.set_defaults(run=_train)

    command = commands.add_parser("encode", help="lines of text to lines of ids")
    _add_input_and_output(command)
    command.add_argument("--pieces", action="store_true", help="print the tokens in the byte alphabet, not ids")
    command.add_argument("--allow-special", action="store_true", help="recognize special tokens in the text")
    command.add_argument("--dropout", type=float, default=0.0, metavar="P", help="BPE-dropout (0)")
    command.add_argument("--seed", type=int, metavar="N", help="of the dropout")
    command.set_defaults(run=_encode)

    command = commands.add_parser("decode", help="lines of ids to lines of text")
    _add_input_and_output(command)
    command.add_argument("--keep-special", action="store_true", help="write special tokens as their names")
    command.set_defaults(run=_decode)

    command = commands.add_parser("show", help="print each merge as it is applied")
    command.add_argument("text", metavar="TEXT")
    command.add_argument(
        "--tokenizer", metavar="FILE", help="default: learned from the example of Sennrich et al. 2016"
    )
    command.add_argument("--html", metavar="FILE", help="write a page for a browser instead")
    command.set_defaults(run=_show)
    return parser


def _add_input_and_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("input", nargs="?", metavar="FILE", help="plain, .gz or .xz; default: standard input")
    command.add_argument("--tokenizer", required=True, metavar="FILE", help="that train wrote")
    command.add_argument("--output", metavar="FILE", help="default: standard output")


def _train(options: argparse.Namespace) -> None:
    _check_place(options.output)
    texts = (
        text.removesuffix("\r").removeprefix("\ufeff")
        for path in options.files or [None]
        for _, text, _ in _text_lines(path)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tokenizer = train(
            texts,
            options.vocabulary,
            pattern=NAMED_PATTERNS.get(options.pattern, options.pattern),
            special_tokens=[*DEFAULT_SPECIAL_TOKENS, *options.special],
            protected_terms=options.protect,
            minimum_frequency=options.minimum_frequency,
            processes=options.processes,
            progress=_Progress(),
        )
    for warning in caught:
        print(f"note: {warning.message}", file=sys.stderr)
    tokenizer.save(options.output)
    print(
        f"{options.output}: {len(tokenizer):,} tokens, {len(tokenizer.merges):,} of them merges; "
        f"digest {tokenizer.digest}",
        file=sys.stderr,
    )


def _check_place(path: str) -> None:
    """Raises TokenizerError if no file can be written there: the user should know before the work, not after."""
    folder = Path(path).parent
    problems = {
        "no such folder": not folder.is_dir(),
        "is a folder": Path(path).is_dir(),
        "its folder is read-only": not os.access(folder, os.W_OK),
    }
    for problem, is_so in problems.items():
        if is_so:
            raise TokenizerError(f"cannot write {path}: {problem}")


def _encode(options: argparse.Namespace) -> None:
    tokenizer = Tokenizer.load(options.tokenizer)
    spelling = {token_id: spell(token) for token_id, token in tokenizer.vocabulary.items()}
    progress = _Progress()
    with _output(options.output) as output:
        for number, text, end in _text_lines(options.input):
            ids = tokenizer.encode(
                text,
                allowed_special="all" if options.allow_special else (),
                dropout=options.dropout,
                # Every line has its own stream, so that the result does not depend on how a file is cut.
                seed=None if options.seed is None else options.seed + number,
            )
            words = (spelling[token_id] for token_id in ids) if options.pieces else map(str, ids)
            output.write(" ".join(words).encode() + end)
            progress("encoding lines", number, None)


def _decode(options: argparse.Namespace) -> None:
    tokenizer = Tokenizer.load(options.tokenizer)
    progress = _Progress()
    with _output(options.output) as output:
        for number, text, end in _text_lines(options.input):
            try:
                decoded = tokenizer.decode(map(int, text.split()), keep_special=options.keep_special)
            except ValueError as error:  # a word that is not a number, or (TokenizerError) an unknown id
                reason = error if isinstance(error, TokenizerError) else "not a line of ids"
                raise TokenizerError(f"{options.input or 'standard input'}, line {number}: {reason}") from None
            output.write(decoded.encode("utf-8", "replace") + end)
            progress("decoding lines", number, None)


def _show(options: argparse.Namespace) -> None:
    if options.tokenizer is None:
        tokenizer = show.example_tokenizer()
        source = "the ten merges of the example of Sennrich et al. 2016 (low, lower, newest, widest)"
    else:
        tokenizer = Tokenizer.load(options.tokenizer)
        source = f"{Path(options.tokenizer).name}, {len(tokenizer):,} tokens"
    if options.html is not None:
        write_text(show.page(tokenizer, options.text, source=source), options.html)
        return
    corpus = show.EXAMPLE_CORPUS if options.tokenizer is None else None
    colour = sys.stdout is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    story = show.terminal(tokenizer, options.text, corpus=corpus, colour=colour)
    with _output(None) as output:
        output.write(story.encode("utf-8", "backslashreplace"))


def _text_lines(path: str | None) -> Iterator[tuple[int, str, bytes]]:
    """Yield (number, text, line end) for each line; only the last may lack its line end."""
    name = path or "standard input"
    if path is None and sys.stdin is None:
        raise TokenizerError("there is no standard input: name a file")
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(open_decompressed(path)) if path else sys.stdin.buffer
            for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), 1):
                if len(line) == LONGEST_LINE:
                    raise TokenizerError(
                        f"{name}, line {number}: {LONGEST_LINE:,} bytes long or longer; split it into shorter lines"
                    )
                text = line.removesuffix(b"\n")
                yield number, text.decode("utf-8"), line[len(text) :]
        except UnicodeDecodeError:
            raise TokenizerError(f"{name}, line {number}: not UTF-8 text; convert the file first") from None
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise TokenizerError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None


def _output(path: str | None) -> contextlib.AbstractContextManager[BinaryIO]:
    """A file that appears when it is complete, or standard output."""
    return _standard_output() if path is None else whole_file(path)


@contextlib.contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    if sys.stdout is None:
        raise TokenizerError("there is no standard output to write to")
    try:
        yield sys.stdout.buffer
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _silence_standard_output()
        raise TokenizerError(f"cannot write standard output: {error.strerror}") from None


def _silence_standard_output() -> None:
    """Discard what is still buffered; otherwise the interpreter's own flush would complain again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _Progress:
    """A progress line on standard error: updated in place on a terminal, written every ten seconds to a log."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._pause = 0.2 if self._is_terminal else 10.0
        self._next = time.monotonic() + self._pause

    def __call__(self, what: str, done: int, of: int | None) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._pause
        line = f"{what}: {done:,}" + ("" if of is None else f" of {of:,}")
        print(
            f"\r\x1b[K{line}\r" if self._is_terminal else line, end="" if self._is_terminal else "\n", file=sys.stderr
        )
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
