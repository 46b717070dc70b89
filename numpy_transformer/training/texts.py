"""The text that a run's options name."""

from numpy_transformer.data.corpora import Corpus, load_corpus
from numpy_transformer.training.options import TrainingOptions


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
