"""The text of a run: the corpus that the options name, and its three parts as ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import bpe
from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.data.corpora import Corpus, files_of, load_corpus
from numpy_transformer.data.encoding import PreparedText, prepare_text
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.large_corpus import LargeCorpus, is_large, large_corpus
from numpy_transformer.data.large_text import LargeText, PreparedIds
from numpy_transformer.data.plain_text import (
    PlainCorpus,
    load_labelled,
    load_lines,
    load_stream,
    tokenizer_for_reading,
    tokenizer_for_stream,
)
from numpy_transformer.data.sound.known_sounds import load_sounds, tokenizer_for_sounds
from numpy_transformer.data.sound.sound_corpus import SoundCorpus
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
from numpy_transformer.terminal.display import Display, SilentDisplay
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import physical_cores
from numpy_transformer.training.reporting import Report
from numpy_transformer.translation.token_ids import ModelTokenizer, target_side

IN_MEMORY = ("phrasebook", "multi30k")  # however large

AnyCorpus: TypeAlias = Corpus | LargeCorpus | PlainCorpus | SoundCorpus | TreeCorpus


def corpus_of(options: TrainingOptions, display: Display | None = None) -> Any:
    """The corpus that a run's options name: the same text each time. Raises InputError if it cannot be read.

    A PlainCorpus for a decoder and for masked words, a TreeCorpus for a parser, a SoundCorpus for sounds, else a
    Corpus, or a LargeCorpus of sentence pairs that are many; to prepare these may take minutes, of which the display
    tells.
    """
    where: dict[str, Any] = {"data_directory": options.data_dir, "seed": options.seed}
    if options.learns == "transcribe":
        return load_sounds(options.data, options.data_dir, seed=options.seed, leave_out=options.leave_out)
    if options.learns == "translate":
        languages: dict[str, Any] = {"source": options.source, "target": options.target}
        if options.data not in IN_MEMORY:
            files = files_of(options.data, **languages, data_directory=options.data_dir, validation=options.validation)
            if is_large(files):
                if options.bpe_dropout:
                    raise InputError(
                        f"--bpe-dropout {options.bpe_dropout}: {options.data} is so large that it is cut once "
                        "and kept on disk: leave --bpe-dropout out, which helps small texts"
                    )
                shown = SilentDisplay() if display is None else display
                return large_corpus(
                    files,
                    **languages,
                    seed=options.seed,
                    processes=physical_cores(),
                    say=shown.message,
                    progress=shown.progress,
                )
        return load_corpus(options.data, **languages, validation=options.validation, **where)
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
    if isinstance(corpus, SoundCorpus):
        return tokenizer_for_sounds(corpus, options.vocabulary)
    if isinstance(corpus, PlainCorpus):
        if options.learns == "complete":
            return tokenizer_for_stream(options.units, corpus, options.vocabulary)
        return tokenizer_for_reading(corpus.train, options.vocabulary)
    if isinstance(corpus, LargeCorpus):
        return corpus.train.learn_tokenizer(options.vocabulary)
    if options.learns == "classify":
        return tokenizer_for_reading(corpus.train.sources, options.vocabulary)
    return bpe.train([*corpus.train.sources, *corpus.train.targets], vocabulary_size=options.vocabulary)


MOST_RESPELT = 1000  # sentences of each text


@dataclass(frozen=True)
class RunTexts:
    """What a run learns from, what watches it, and what it is tested with at its end."""

    train: PreparedText | PreparedIds
    valid: PreparedText
    test: PreparedText  # the validation text, where the corpus has no test text
    test_name: str  # "test" or "validation"
    further_tests: dict[str, ParallelText]


def prepare_texts(
    corpus: Corpus | LargeCorpus,
    tokenizer: ModelTokenizer,
    config: TransformerConfig,
    *,
    max_length: int,
    report: Report,
) -> RunTexts:
    """Encode all three parts; the report says how many pairs are left out because they are too long.

    `max_length` bounds the training pairs only: a model is judged by every sentence that it can translate at all.
    Raises InputError if nothing is left of a part.
    """
    sides = tokenizer, target_side(tokenizer)

    def prepare(text: ParallelText | LargeText, name: str, longest: int = LONGEST_SOURCE) -> Any:
        if isinstance(text, LargeText):
            prepared: PreparedText | PreparedIds = text.encoded(*sides, tokenizer.digest, config, longest)
        else:
            prepared = prepare_text(text, *sides, config, longest)
        if prepared.dropped:
            report.pairs_left_out(name, prepared.dropped, len(text), longest=longest)
        if not len(prepared.ids):
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
