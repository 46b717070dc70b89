"""Which task the options of a run ask for (task.py says what a task is)."""

from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.large_corpus import LargeCorpus
from numpy_transformer.data.plain_text import PlainCorpus
from numpy_transformer.data.sound.sound_corpus import SoundCorpus
from numpy_transformer.data.treebank import TreeCorpus
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.training.completion_task import CompletionTask
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parsing_task import ParsingTask
from numpy_transformer.training.reading_tasks import ClassificationTask, MaskedWordsTask
from numpy_transformer.training.reporting import Report
from numpy_transformer.training.sound_task import SoundTask
from numpy_transformer.training.task import Task
from numpy_transformer.training.texts import AnyCorpus
from numpy_transformer.training.translation_task import TranslationTask
from numpy_transformer.translation.token_ids import ModelTokenizer


def make_task(
    options: TrainingOptions,
    corpus: AnyCorpus,
    tokenizer: ModelTokenizer,
    report: Report,
    config: TransformerConfig | None,
) -> Task:
    """What the options ask for; `config` is that of the model that the run goes on from, if there is one.

    Raises InputError if the corpus does not suit it.
    """
    if isinstance(tokenizer, MarianTokenizer) or options.learns == "translate":
        assert isinstance(corpus, Corpus | LargeCorpus)
        return TranslationTask(options, corpus, tokenizer, report, config)
    if isinstance(corpus, TreeCorpus):
        return ParsingTask(options, corpus, tokenizer, report)
    if isinstance(corpus, SoundCorpus):
        return SoundTask(options, corpus, tokenizer)
    if isinstance(corpus, PlainCorpus):
        kind = CompletionTask if options.learns == "complete" else MaskedWordsTask
        return kind(options, corpus, tokenizer, report, config)
    assert isinstance(corpus, Corpus)
    return ClassificationTask(options, corpus, tokenizer, report, config)
