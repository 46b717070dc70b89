"""Fill in masked words, or classify texts: python -m numpy_transformer.fill and .classify; see --help."""

import argparse

from bpe.arguments import CommandParser
from numpy_transformer.commands.draw_attention import draw_attention
from numpy_transformer.commands.latest import named_or_latest
from numpy_transformer.commands.text_lines import check_text
from numpy_transformer.errors import InputError
from numpy_transformer.program import add_version
from numpy_transformer.seeing.drawing import check_format
from numpy_transformer.tasks.opening import open_encoder
from numpy_transformer.tasks.reading import MASKED, Guess, Reader


def _parser(program: str, description: str) -> CommandParser:
    parser = CommandParser(prog=f"python -m numpy_transformer.{program}", description=description)
    add_version(parser)
    add = parser.add_argument
    add("--model", metavar="MODEL", help="run folder, checkpoint, or a BERT folder (the latest run of an encoder)")
    add("--guesses", type=int, default=5, metavar="N", help="how many to show (%(default)s)")
    add("--attention", metavar="FILE", help="draw what each token of one TEXT looks at: .png or .html")
    add("--device", choices=("cpu", "gpu"), default="cpu", help="cpu (NumPy, default) or gpu (CuPy)")
    return parser


def fill(arguments: list[str] | None = None) -> None:
    """The text with its most probable words, and the guesses for each [mask]."""
    parser = _parser("fill", "An encoder fills in the words that a text leaves open.")
    parser.add_argument("text", metavar="TEXT", help='a text with [mask] in it: "The dog [mask] the cat."')
    options = _checked(parser.parse_args(arguments))
    reader = Reader(*open_encoder(named_or_latest(options.model, kind="encoder"), device=options.device))
    text = check_text(options.text)
    found = reader.fill(text, guesses=options.guesses)
    best = iter(found)
    filled = MASKED.sub(lambda match: next(best)[0].text, text)
    print(filled)
    for guesses in found:
        _show(guesses)
    if options.attention is not None:
        draw_attention(options.attention, reader.attention(text), text=text, found=filled)


def classify(arguments: list[str] | None = None) -> None:
    """Each text's classes, the most probable first."""
    parser = _parser("classify", "An encoder says what class a text is of.")
    parser.add_argument("texts", metavar="TEXT", nargs="+")
    options = _checked(parser.parse_args(arguments))
    reader = Reader(*open_encoder(named_or_latest(options.model, kind="encoder"), device=options.device))
    texts = [check_text(text) for text in options.texts]
    found = reader.classify(texts)
    for text, guesses in zip(texts, found, strict=True):
        if len(texts) > 1:
            print(text)
        _show(guesses[: options.guesses])
    if options.attention is not None:
        draw_attention(options.attention, reader.attention(texts[0]), text=texts[0], found=found[0][0].text)


def _checked(options: argparse.Namespace) -> argparse.Namespace:
    if options.guesses < 1:
        raise InputError(f"--guesses is {options.guesses}; it must be at least 1")
    if options.attention is not None:
        check_format(options.attention)
        if len(getattr(options, "texts", ())) > 1:
            raise InputError("--attention draws one text: give a single TEXT")
    return options


def _show(guesses: list[Guess]) -> None:
    for guess in guesses:
        print(f"  {guess.probability:6.1%}  {guess.text.strip()}")
