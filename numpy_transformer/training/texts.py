"""The text of a run: the corpus that the options name, and its three parts as ids."""

from dataclasses import dataclass

from numpy_transformer.data.corpora import Corpus, load_corpus
from numpy_transformer.data.encoding import PreparedText, prepare_text
from numpy_transformer.data.files import ParallelText
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.reporting import Report
from numpy_transformer.translation.token_ids import ModelTokenizer, target_side


def corpus_of(options: TrainingOptions) -> Corpus:
    """The corpus that a run's options name: the same text each time. Raises InputError as `load_corpus` does."""
    return load_corpus(
        options.data,
        source=options.source,
        target=options.target,
        data_directory=options.data_dir,
        validation=options.validation,
        seed=options.seed,
    )


@dataclass(frozen=True)
class RunTexts:
    """What a run learns from, what watches it, and what it is tested with at its end."""

    train: PreparedText
    valid: PreparedText
    test: PreparedText  # the validation text, where the corpus has no test text
    test_name: str  # "test" or "validation"


def prepare_texts(
    corpus: Corpus, tokenizer: ModelTokenizer, config: TransformerConfig, *, max_length: int, report: Report
) -> RunTexts:
    """Encode all three parts, without pairs longer than `max_length` tokens; the report says how many those are.

    Raises InputError if nothing is left of a part.
    """

    def prepare(text: ParallelText, name: str) -> PreparedText:
        prepared = prepare_text(text, tokenizer, target_side(tokenizer), config, max_length)
        if prepared.dropped:
            report.pairs_left_out(name, prepared.dropped, len(text))
        if not len(prepared):
            raise InputError(f"no {name} pair has at most {max_length} tokens; raise --max-length")
        return prepared

    train, valid = prepare(corpus.train, "training"), prepare(corpus.valid, "validation")
    if len(corpus.test):
        return RunTexts(train, valid, prepare(corpus.test, "test"), "test")
    return RunTexts(train, valid, valid, "validation")
