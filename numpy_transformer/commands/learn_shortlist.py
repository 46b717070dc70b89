"""Learn a shortlist for the model of a run: python -m numpy_transformer.shortlist RUN; see --help."""

import argparse
import sys
from pathlib import Path

from bpe.arguments import CommandParser
from numpy_transformer.errors import InputError
from numpy_transformer.program import add_version
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.texts import corpus_of
from numpy_transformer.translation.ibm_model_1 import FREQUENT, TRANSLATIONS, learn_shortlist


def learn_for_run(path: str | Path, *, frequent: int = FREQUENT, translations: int = TRANSLATIONS) -> Path:
    """Learn from the run's training text and write its shortlist; returns the file.

    Raises InputError if there is no such run, or its text cannot be read any more.
    """
    run = RunFolder(path)
    for name, value, least in (("frequent", frequent, 0), ("translations", translations, 1)):
        if value < least:
            raise InputError(f"--{name} is {value}; it must be at least {least}")
    options, tokenizer = run.read_options(), run.read_tokenizer()
    text = corpus_of(options).train
    shortlist = learn_shortlist(
        tokenizer.encode_batch(text.sources),
        tokenizer.encode_batch(text.targets),
        vocabulary_size=len(tokenizer),
        special=sorted(tokenizer.special_tokens.values()),
        frequent=frequent,
        translations=translations,
    )
    shortlist.save(run.shortlist_file, tokenizer=tokenizer.digest)
    return run.shortlist_file


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog="python -m numpy_transformer.shortlist",
        description="Learn from a run's training text which target tokens its source tokens become, "
        "for translate.py --shortlist.",
    )
    add_version(parser)
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--frequent", type=int, default=FREQUENT, metavar="N", help="listed for every sentence (%(default)s)"
    )
    parser.add_argument(
        "--translations", type=int, default=TRANSLATIONS, metavar="N", help="of each source token (%(default)s)"
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Learn as the command line says."""
    options = parse_arguments(None)
    path = learn_for_run(options.run, frequent=options.frequent, translations=options.translations)
    print(f"{path}: use it with translate.py --model {options.run} --shortlist", file=sys.stderr)
