"""The text of a run: the corpus that the options name, and its three parts as ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import bpe
from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.data.corpora import Corpus, load_corpus
from numpy_transformer.data.encoding import PreparedText, prepare_text
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.plain_text import (
    PlainCorpus,
    load_labelled,
    load_lines,
    load_stream,
    tokenizer_for_reading,
    tokenizer_for_stream,
)
from numpy_transformer.data.spellings import (
    Spelling,
    as_it_is,
    respelt,
    small_first,
    small_without_mark,
    without_mark,
)
from numpy_transformer.data.tree_tokens import tokenizer_for_trees
from numpy_transformer.data.treebank import TreeCorpus, load_treebank
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.reporting import Report
from numpy_transformer.translation.token_ids import ModelTokenizer, target_side

AnyCorpus: TypeAlias = Corpus | PlainCorpus | TreeCorpus


def corpus_of(options: TrainingOptions) -> Any:
    """The corpus that a run's options name: the same text each time. Raises InputError if it cannot be read.

    A PlainCorpus for a decoder and for masked words, a TreeCorpus for a parser, else a Corpus.
    """
    where: dict[str, Any] = {"data_directory": options.data_dir, "seed": options.seed}
    if options.learns == "translate":
        return load_corpus(
            options.data, source=options.source, target=options.target, validation=options.validation, **where
        )
    if options.learns == "parse":
        return load_treebank(options.data, validation=options.validation, **where)
    if options.learns == "classify":
        return load_labelled(options.data, validation=options.validation, **where)
    if options.validation is not None:
        raise InputError(f"--validation {options.validation}: only goes with --data FILE.tsv")
    return (load_stream if options.learns == "complete" else load_lines)(options.data, **where)


def learn_tokenizer(options: TrainingOptions, corpus: AnyCorpus) -> bpe.Tokenizer:
    """A vocabulary for the training text."""
    if isinstance(corpus, TreeCorpus):
        return tokenizer_for_trees(corpus.train, options.vocabulary)
    if isinstance(corpus, PlainCorpus):
        if options.learns == "complete":
            return tokenizer_for_stream(options.units, corpus, options.vocabulary)
        return tokenizer_for_reading(corpus.train, options.vocabulary)
    if options.learns == "classify":
        return tokenizer_for_reading(corpus.train.sources, options.vocabulary)
    return bpe.train([*corpus.train.sources, *corpus.train.targets], vocabulary_size=options.vocabulary)


MOST_RESPELT = 1000  # sentences of each text


@dataclass(frozen=True)
class RunTexts:
    """What a run learns from, what watches it, and what it is tested with at its end."""

    train: PreparedText
    valid: PreparedText
    test: PreparedText  # the validation text, where the corpus has no test text
    test_name: str  # "test" or "validation"
    further_tests: dict[str, ParallelText]


def prepare_texts(
    corpus: Corpus, tokenizer: ModelTokenizer, config: TransformerConfig, *, max_length: int, report: Report
) -> RunTexts:
    """Encode all three parts; the report says how many pairs are left out because they are too long.

    `max_length` bounds the training pairs only: a model is judged by every sentence that it can translate at all.
    Raises InputError if nothing is left of a part.
    """

    def prepare(text: ParallelText, name: str, longest: int = LONGEST_SOURCE) -> PreparedText:
        prepared = prepare_text(text, tokenizer, target_side(tokenizer), config, longest)
        if prepared.dropped:
            report.pairs_left_out(name, prepared.dropped, len(text), longest=longest)
        if not len(prepared):
            remedy = "raise --max-length" if longest < LONGEST_SOURCE else "give shorter ones"
            raise InputError(f"no {name} pair has at most {longest:,} tokens; {remedy}")
        return prepared

    train, valid = prepare(corpus.train, "training", max_length), prepare(corpus.valid, "validation")
    test, name = (prepare(corpus.test, "test"), "test") if len(corpus.test) else (valid, "validation")
    return RunTexts(train, valid, test, name, further_tests(test.text, corpus.expressions))


def further_tests(test: ParallelText, expressions: ParallelText) -> dict[str, ParallelText]:
    """By its name, each text that shows what careless typing costs: the sentences that it changes, the same targets.

    Also the expressions that were learned whole, each in every such spelling. A text without a sentence is left out.
    """
    spelt = {
        "first letter small": _respelt(test, (small_first,)),
        "without final mark": _respelt(test, (without_mark,)),
        "expressions": _respelt(expressions, (as_it_is, small_first, without_mark, small_without_mark)),
    }
    return {name: text for name, text in spelt.items() if text}


def _respelt(text: ParallelText, spellings: Sequence[Spelling]) -> ParallelText:
    """The distinct pairs that the spellings make of the first pairs of a text, without those left as they were."""
    others = frozenset(text.sources)
    pairs = {
        (respelt(source, spelling, others), target): None
        for source, target in list(zip(text.sources, text.targets, strict=True))[:MOST_RESPELT]
        for spelling in spellings
        if spelling is as_it_is or respelt(source, spelling, others) != source
    }
    return ParallelText([source for source, _ in pairs], [target for _, target in pairs])
