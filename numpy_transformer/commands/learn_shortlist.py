"""Learn a shortlist for the model of a run: python -m numpy_transformer.shortlist RUN; see --help."""

import argparse
import math
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from bpe.arguments import CommandParser
from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.large_corpus import LargeCorpus
from numpy_transformer.errors import InputError
from numpy_transformer.program import add_version
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.texts import corpus_of
from numpy_transformer.translation.ibm_model_1 import FREQUENT, TRANSLATIONS, learn_shortlist

MOST_PAIRS = 200_000  # of a text that is not in memory: the lexicon itself is learned from some ten thousand


def learn_for_run(path: str | Path, *, frequent: int = FREQUENT, translations: int = TRANSLATIONS) -> Path:
    """Learn from the run's training text and write its shortlist; returns the file.

    Raises InputError if there is no such run, or its text cannot be read any more.
    """
    run = RunFolder(path)
    for name, value, least in (("frequent", frequent, 0), ("translations", translations, 1)):
        if value < least:
            raise InputError(f"--{name} is {value}; it must be at least {least}")
    options, tokenizer = run.read_options(), run.read_tokenizer()
    sources, targets = _sentences(corpus_of(options))
    shortlist = learn_shortlist(
        tokenizer.encode_batch(sources),
        tokenizer.encode_batch(targets),
        vocabulary_size=len(tokenizer),
        special=sorted(tokenizer.special_tokens.values()),
        frequent=frequent,
        translations=translations,
    )
    shortlist.save(run.shortlist_file, tokenizer=tokenizer.digest)
    return run.shortlist_file


def _sentences(corpus: Corpus | LargeCorpus) -> tuple[Sequence[str], Sequence[str]]:
    """The two sides of the training text; of a large one, pairs from all of it."""
    if isinstance(corpus, Corpus):
        return corpus.train.sources, corpus.train.targets
    every = math.ceil(len(corpus.train) / MOST_PAIRS)
    pairs = list(islice(corpus.train.pairs(), 0, None, every))
    return [source for source, _ in pairs], [target for _, target in pairs]


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
