"""Translation as the trainer sees it: sentence pairs in batches, validation loss, BLEU of real decoding."""

import math
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from bpe import Tokenizer
from numpy_transformer.data.batching import Batch, epoch_batches, training_batches
from numpy_transformer.data.bpe_dropout import DrawnPairs
from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.encoding import PreparedText
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.large_corpus import LargeCorpus
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.model import Model
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.program import command
from numpy_transformer.terminal.wording import counted
from numpy_transformer.training.configuration import make_config
from numpy_transformer.training.evaluation import Evaluation, sample_lines, translate_text
from numpy_transformer.training.largest_batch import largest_part
from numpy_transformer.training.metrics import further_scores, looks_tokenised
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import Steps
from numpy_transformer.training.reporting import Report
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.task import Task
from numpy_transformer.training.texts import prepare_texts
from numpy_transformer.translation.token_ids import ModelTokenizer
from numpy_transformer.translation.translator import Translator

VALIDATION_SENTENCES = 200  # at most, decoded at each evaluation; the validation loss uses all
TEST_BEAM = 4
TEST_SAMPLES = 20


class TranslationTask(Task):
    """Sentence pairs, for a Transformer."""

    kind = Transformer
    example = "training pair"

    def __init__(
        self,
        options: TrainingOptions,
        corpus: Corpus | LargeCorpus,
        tokenizer: ModelTokenizer,
        report: Report,
        config: TransformerConfig | None = None,
    ) -> None:
        """`config` is that of the model that the run goes on from; else the options make it."""
        self.options, self.tokenizer = options, tokenizer
        self.config = make_config(options, tokenizer) if config is None else config
        self.texts = prepare_texts(corpus, tokenizer, self.config, max_length=options.max_length, report=report)
        self.train_size = len(self.texts.train.ids)
        self.digests = {
            "training text": self.texts.train.ids.digest(),
            "validation text": self.texts.valid.ids.digest(),
            "test text": self.texts.test.ids.digest(),
        }
        self._drawn = self._drawn_pairs() if options.bpe_dropout else None
        self._first = self.texts.train.ids if self._drawn is None else self._drawn.first
        self._epoch = epoch_batches(self._first, options.batch_tokens, seed=None)

    def _drawn_pairs(self) -> DrawnPairs:
        options, tokenizer, train = self.options, self.tokenizer, self.texts.train
        assert isinstance(tokenizer, Tokenizer)  # load_base refuses others,
        assert isinstance(train, PreparedText)  # and corpus_of large texts
        return DrawnPairs(
            train.text,
            tokenizer,
            self.config,
            dropout=options.bpe_dropout,
            batch_tokens=options.batch_tokens,
            max_length=options.max_length,
            seed=options.seed,
        )

    @property
    def batches_per_epoch(self) -> int:
        """How many batches one pass over the text has."""
        return len(self._epoch)

    def batches(self, start: int) -> Iterator[tuple[int, Batch]]:
        """(epoch, batch) without end, skipping the first `start`."""
        if self._drawn is not None:
            return self._drawn.batches(start)
        options = self.options
        text, pad_id = self.texts.train.ids, self.config.pad_id
        return training_batches(text, options.batch_tokens, pad_id=pad_id, seed=options.seed, start=start)

    def largest_batch(self) -> Batch:
        """The one of the longest sentences, usually."""
        part = self._epoch[largest_part(self._epoch, self._first.lengths, self.config)]
        return self._first.batch(part, self.config.pad_id)

    def validation_batches(self) -> list[Batch]:
        """The validation text, sorted by length."""
        text = self.texts.valid.ids
        parts = epoch_batches(text, self.options.batch_tokens, seed=None)
        return [text.batch(indices, self.config.pad_id) for indices in parts]

    def evaluate(self, model: Model[Any], loss: float, workers: Steps) -> Evaluation:
        """Greedy translations of a part of the validation text."""
        valid = self.texts.valid.text
        every = math.ceil(len(valid) / VALIDATION_SENTENCES)  # files may be sorted: one place would mislead
        text = ParallelText(valid.sources[::every], valid.targets[::every])
        result = translate_text(workers, self._translator(model), text, beam=1)
        return Evaluation(
            {
                "bleu": result.bleu.score,
                "chrf": result.chrf.score,
                "exact": result.exact,
                "sentences": len(text),
                "signature": result.bleu.signature,
                "chrf_signature": result.chrf.signature,
            },
            f"BLEU {result.bleu.score:.1f}, chrF {result.chrf.score:.1f}, exact {result.exact:.0%} of {len(text):,}",
            sample_lines(text, result.hypotheses),
            example=f"{text.sources[0]} -> {result.hypotheses[0]}",
        )

    def test(self, model: Model[Any], workers: Steps, *, only_main: bool = False) -> Evaluation:
        """Translations of the whole test text by beam search, and of texts that show what careless typing costs."""
        options, text, translator = self.options, self.texts.test.text, self._translator(model)
        result = translate_text(workers, translator, text, beam=TEST_BEAM)
        further = {
            name: (spelt, translate_text(workers, translator, spelt, beam=TEST_BEAM))
            for name, spelt in ({} if only_main else self.texts.further_tests).items()
        }
        more = further_scores(result.hypotheses, text.targets, tokenised=options.tokenised, with_ter=options.ter)
        name = self.texts.test_name
        lines = [f"{name}: {result.bleu}, exact sentences {result.exact:.1%} of {len(text):,}"]
        lines += [f"{name}: {score}" for score in (result.chrf, *more)]
        if looks_tokenised(text.targets) and not options.tokenised:
            lines += ["the text looks tokenised: --resume --tokenised tells the BLEU of its tokens, too"]
        return Evaluation(
            {
                "set": self.texts.test_name,
                "bleu": result.bleu.score,
                "chrf": result.chrf.score,
                "exact": result.exact,
                "sentences": len(text),
                "brevity_penalty": result.bleu.brevity_penalty,
                "signature": result.bleu.signature,
                "chrf_signature": result.chrf.signature,
                "further_scores": {score.signature: score.score for score in more},
                "beam": TEST_BEAM,
                "further": {
                    kind: {"sentences": len(spelt), "bleu": found.bleu.score, "exact": found.exact}
                    for kind, (spelt, found) in further.items()
                },
            },
            "\n".join(lines),
            sample_lines(text, result.hypotheses, count=TEST_SAMPLES),
            title=f"{self.texts.test_name}, {{}}, beam {TEST_BEAM}",
            further=[
                (
                    f"{kind}, wrong",
                    f"{kind}: BLEU {found.bleu.score:.2f}, exact {found.exact:.1%} of {len(spelt):,}",
                    sample_lines(*_wrong_ones(spelt, found.hypotheses)),
                )
                for kind, (spelt, found) in further.items()
            ],
        )

    def before(self, model: Model[Any], workers: Steps) -> Evaluation:
        """Translations of the test text alone."""
        return self.test(model, workers, only_main=True)

    def final_words(self) -> str:
        """What `test` does."""
        return f"translating {counted(len(self.texts.test), f'{self.texts.test_name} sentence')}"

    def try_it(self, run: str) -> str:
        """A translation of the first test sentence."""
        return f"{command('translate')} --model {run} {shlex.quote(self.texts.test.text.sources[0])}"

    def notes(self, report: Report, model: Model[Any], *, workers: int, steps_per_epoch: int) -> None:
        """What the batches mean for workers, duration and memory."""
        report.notes(model, self._first, self._epoch, workers=workers, steps_per_epoch=steps_per_epoch)

    def write_files(self, folder: RunFolder) -> None:
        """The words the model has seen."""
        self.texts.train.known_words().save(folder.words_file)

    def _translator(self, model: Model[Any]) -> Translator:
        assert isinstance(model, Transformer)
        return Translator(model, self.tokenizer)


def _wrong_ones(text: ParallelText, hypotheses: Sequence[str]) -> tuple[ParallelText, list[str]]:
    """The pairs whose translation is not the reference, and these translations."""
    wrong = [i for i, target in enumerate(text.targets) if hypotheses[i] != target]
    pairs = ParallelText([text.sources[i] for i in wrong], [text.targets[i] for i in wrong])
    return pairs, [hypotheses[i] for i in wrong]
