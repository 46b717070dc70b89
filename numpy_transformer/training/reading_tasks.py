"""The encoder alone as the trainer sees it: texts whose words are masked, or texts that have a class."""

import hashlib
import shlex
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array, to_host
from numpy_transformer.data.batching import LONGEST_SOURCE, in_epochs, padded
from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.epoch_order import batches_by_length
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.plain_text import MASK, PlainCorpus
from numpy_transformer.data.text_batches import TextBatch, masked_batch
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_only import Encoder
from numpy_transformer.models.model import Model
from numpy_transformer.tasks.reading import mask_id_of
from numpy_transformer.training.configuration import make_config
from numpy_transformer.training.evaluation import Evaluation
from numpy_transformer.training.largest_batch import largest_part
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import Steps
from numpy_transformer.training.reporting import Report
from numpy_transformer.training.task import Task

SAMPLES = 8


class ReadingTask(Task):
    """What both tasks of an Encoder have in common: texts as rows of bos, words, eos, batched by their lengths."""

    kind = Encoder

    def __init__(
        self,
        options: TrainingOptions,
        tokenizer: Any,
        report: Report,
        config: TransformerConfig | None,
        *,
        labels: tuple[str, ...] = (),
    ) -> None:
        """`config` is that of the model that the run goes on from; else the options make it.

        Raises InputError for a tokenizer without a token for masked words.
        """
        self.options, self.tokenizer, self.report = options, tokenizer, report
        mask_id = mask_id_of(tokenizer)
        if mask_id is None:
            raise InputError(f"the tokenizer has no {MASK}: it is not of an encoder; begin a new run")
        self.mask_id = mask_id
        if config is None:
            context = options.max_length + 2 if options.positions == "learned" else None
            config = make_config(options, tokenizer, positions=options.positions, context=context)
        if labels:  # another pooling needs another classifier
            config = config.replace(labels=labels, pooling=options.pooling)
        self.config: TransformerConfig = config

    def encode(self, texts: Sequence[str]) -> list[Array]:
        """Each text between bos and eos, cut off after --max-length tokens."""
        longest = self._longest
        encoded = self.tokenizer.encode_batch(texts)
        cut = sum(len(ids) > longest for ids in encoded)
        if cut:
            self.report.say(f"{cut:,} texts cut off after {longest} tokens (--max-length)")
        return [self._framed(ids[:longest]) for ids in encoded]

    def set_texts(self, train: Sequence[str], valid: Sequence[str]) -> None:
        """What is trained and validated on."""
        self._texts = train
        self.train, self.valid = self.encode(train), self.encode(valid)
        self.train_size = len(train)
        self._lengths, self._valid_lengths = (np.array([len(ids) for ids in part]) for part in (self.train, self.valid))

    def drawn(self, indices: Array, key: tuple[int, ...]) -> list[Array]:
        """The training texts at `indices`; with --bpe-dropout cut into tokens anew, as `key` draws them.

        A text that the draw makes too long keeps its plain tokens.
        """
        plain = [self.train[i] for i in indices]
        if not self.options.bpe_dropout:
            return plain
        seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
        texts = [self._texts[i] for i in indices]
        cut = self.tokenizer.encode_batch(texts, dropout=self.options.bpe_dropout, seed=seed)
        longest = self._longest
        return [self._framed(ids) if len(ids) <= longest else kept for ids, kept in zip(cut, plain, strict=True)]

    @property
    def _longest(self) -> int:
        """Of a text, in tokens between bos and eos."""
        return min(self.options.max_length, (self.config.context or LONGEST_SOURCE + 2) - 2)

    def _framed(self, ids: Sequence[int]) -> Array:
        return np.array([self.config.bos_id, *ids, self.config.eos_id], dtype=np.int32)

    @property
    def batches_per_epoch(self) -> int:
        """How many batches one pass over the texts has."""
        return len(self._parts())

    def _parts(self) -> list[Array]:
        return batches_by_length((self._lengths,), self.options.batch_tokens, seed=None)

    def largest_batch(self) -> TextBatch:
        """The one of the longest texts, usually."""
        parts = self._parts()
        return self.batch(parts[largest_part(parts, (self._lengths,), self.config)], (self.options.seed, 0, 0))

    def batches(self, start: int) -> Iterator[tuple[int, TextBatch]]:
        """(epoch, batch) without end, skipping the first `start`."""
        options = self.options

        def of_epoch(epoch: int) -> list[Callable[[], TextBatch]]:
            parts = batches_by_length((self._lengths,), options.batch_tokens, seed=options.seed, epoch=epoch)
            return [partial(self.batch, part, (options.seed, epoch, number)) for number, part in enumerate(parts)]

        return in_epochs(of_epoch, start)

    @abstractmethod
    def batch(self, indices: Array, key: tuple[int, ...]) -> TextBatch:
        """The training texts at `indices`; `key` draws what is random."""

    def valid_parts(self) -> list[Array]:
        """The indices of the batches of the validation texts."""
        return batches_by_length((self._valid_lengths,), self.options.batch_tokens, seed=None)


class MaskedWordsTask(ReadingTask):
    """Lines of text, some of whose words are to be guessed."""

    example = "training text"

    def __init__(
        self,
        options: TrainingOptions,
        corpus: PlainCorpus,
        tokenizer: Any,
        report: Report,
        config: TransformerConfig | None = None,
    ) -> None:
        super().__init__(options, tokenizer, report, config)
        special = set(tokenizer.special_tokens.values())
        self.words = np.array([i for i in range(len(tokenizer)) if i not in special])
        self.valid_text = corpus.valid
        self.set_texts(corpus.train, corpus.valid)
        self.digests = {"training text": _digest(self.train), "validation text": _digest(self.valid)}

    def batch(self, indices: Array, key: tuple[int, ...]) -> TextBatch:
        """Other words are masked each time."""
        return self._masked(self.drawn(indices, key), key)

    def validation_batches(self) -> list[TextBatch]:
        """The same words masked each time."""
        parts = self.valid_parts()
        return [self._masked([self.valid[i] for i in part], (0, number)) for number, part in enumerate(parts)]

    def evaluate(self, model: Model[Any], loss: float, workers: Steps) -> Evaluation:
        """How many masked words are guessed, and guesses to read."""
        right, total = 0, 0
        samples: list[str] = []
        for batch in self.validation_batches():
            assert isinstance(model, Encoder)
            assert batch.targets is not None
            guesses = np.asarray(to_host(model.word_logits(batch.ids)).argmax(axis=-1))
            masked = batch.targets != self.config.pad_id
            right += int((guesses == batch.targets)[masked].sum())
            total += int(masked.sum())
            for row in range(min(1, len(batch.ids)) if len(samples) < SAMPLES else 0):
                filled = np.where(masked[row], guesses[row], batch.ids[row])
                samples.append(f"{self._text(batch.ids[row])} -> {self._text(filled)}")
        accuracy = right / max(1, total)
        said = f"{accuracy:.1%} of masked words right"
        return Evaluation({"accuracy": accuracy}, said, samples, example=samples[-1])

    def test(self, model: Model[Any], workers: Steps) -> Evaluation:
        """The validation text again, by the finished model."""
        loss = self.validation_loss(model, workers)
        result = self.evaluate(model, loss, workers)
        said = f"validation: loss {loss:.3f}, {result.said}"
        return Evaluation({"set": "validation", "loss": loss, **result.figures}, said, result.samples, "guesses, {}")

    def final_words(self) -> str:
        """What `test` does."""
        return "guessing the masked words of the validation text"

    def try_it(self, run: str) -> str:
        """A validation text with one word masked."""
        words = self.valid_text[0].split()
        words[len(words) // 2] = "[mask]"
        return f"python -m numpy_transformer.fill --model {run} {shlex.quote(' '.join(words))}"

    def _masked(self, texts: list[Array], key: tuple[int, ...]) -> TextBatch:
        rng = np.random.default_rng(key)
        return masked_batch(texts, rng, pad_id=self.config.pad_id, mask_id=self.mask_id, words=self.words)

    def _text(self, ids: Array) -> str:
        hidden = {self.config.pad_id, self.config.bos_id, self.config.eos_id}
        return self.tokenizer.decode([i for i in ids.tolist() if i not in hidden])


class ClassificationTask(ReadingTask):
    """Texts with a class each."""

    example = "training text"

    def __init__(
        self,
        options: TrainingOptions,
        corpus: Corpus,
        tokenizer: Any,
        report: Report,
        config: TransformerConfig | None = None,
    ) -> None:
        labels = tuple(sorted({*corpus.train.targets, *corpus.valid.targets}))
        self._knows_classes = config is not None and config.labels == labels
        super().__init__(options, tokenizer, report, config, labels=labels)
        self.classes_of = {label: number for number, label in enumerate(labels)}
        has_test = len(corpus.test) > 0
        self.test_text, self.test_name = (corpus.test, "test") if has_test else (corpus.valid, "validation")
        self.set_texts(corpus.train.sources, corpus.valid.sources)
        self.classes, self.valid_classes = self._classes(corpus.train), self._classes(corpus.valid)
        self.test_ids = self.encode(self.test_text.sources) if has_test else self.valid
        self.digests = {
            "training text": _digest([*self.train, self.classes]),
            "validation text": _digest([*self.valid, self.valid_classes]),
            "test text": _digest([*self.test_ids, self._classes(self.test_text)]),
        }

    def batch(self, indices: Array, key: tuple[int, ...]) -> TextBatch:
        """The texts and their classes."""
        ids = padded(self.drawn(indices, key), self.config.pad_id)
        return TextBatch(ids, self.classes[indices], len(indices))

    def validation_batches(self) -> list[TextBatch]:
        """All validation texts."""
        pad = self.config.pad_id
        return [
            TextBatch(padded([self.valid[i] for i in part], pad), self.valid_classes[part], len(part))
            for part in self.valid_parts()
        ]

    def evaluate(self, model: Model[Any], loss: float, workers: Steps) -> Evaluation:
        """How many validation texts get the right class."""
        right = total = 0
        for batch in self.validation_batches():
            right += int((self._guesses(model, batch.ids) == batch.targets).sum())
            total += len(batch.ids)
        return Evaluation({"accuracy": right / total}, f"accuracy {right / total:.1%}", [f"{right} of {total} right"])

    def test(self, model: Model[Any], workers: Steps) -> Evaluation:
        """How many test texts get the right class, and which do not."""
        guesses = np.concatenate([self._guesses(model, padded([ids], self.config.pad_id)) for ids in self.test_ids])
        right = guesses == self._classes(self.test_text)
        accuracy = float(right.mean())
        wrong = [
            f"{self.test_text.targets[i]}, taken for {self.config.labels[guesses[i]]}: {self.test_text.sources[i]}"
            for i in np.flatnonzero(~right)
        ]
        said = f"{self.test_name}: accuracy {accuracy:.1%} ({int(right.sum())} of {len(right)})"
        return Evaluation(
            {"set": self.test_name, "accuracy": accuracy}, said, wrong, title=f"{self.test_name}, wrong, {{}}"
        )

    def before(self, model: Model[Any], workers: Steps) -> Evaluation | None:
        """What a classifier of the same classes can do; the classes of another model are fresh."""
        return self.test(model, workers) if self._knows_classes else None

    def final_words(self) -> str:
        """What `test` does."""
        return f"classifying {len(self.test_text):,} {self.test_name} texts"

    def try_it(self, run: str) -> str:
        """The class of the first test text."""
        return f"python -m numpy_transformer.classify --model {run} {shlex.quote(self.test_text.sources[0])}"

    def _classes(self, text: ParallelText) -> Array:
        return np.array([self.classes_of[label] for label in text.targets])

    def _guesses(self, model: Model[Any], ids: Array) -> Array:
        assert isinstance(model, Encoder)
        return np.asarray(to_host(model.class_probabilities(ids)).argmax(axis=-1))


def _digest(arrays: Sequence[Array]) -> str:
    sha = hashlib.sha256(np.array([len(ids) for ids in arrays]).tobytes())
    for ids in arrays:
        sha.update(ids.tobytes())
    return sha.hexdigest()
