"""Completion as the trainer sees it: blocks of a stream, perplexity and bits per byte, a sample of the model's own."""

import hashlib
import math
import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import bpe
from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.batching import in_epochs
from numpy_transformer.data.plain_text import PlainCorpus
from numpy_transformer.data.text_batches import TextBatch, block_batch, block_starts
from numpy_transformer.decoding.continuation import complete
from numpy_transformer.decoding.token_by_token import Sampling
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.models.model import Model
from numpy_transformer.training.configuration import make_config
from numpy_transformer.training.evaluation import Evaluation
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import Steps
from numpy_transformer.training.reporting import Report
from numpy_transformer.training.task import Task

SAMPLE_TOKENS, LONG_SAMPLE_TOKENS = 120, 600
PROMPT_CHARACTERS = 20


class CompletionTask(Task):
    """A stream of tokens, for a LanguageModel."""

    kind = LanguageModel
    example = "training token"

    def __init__(
        self,
        options: TrainingOptions,
        corpus: PlainCorpus,
        tokenizer: bpe.Tokenizer,
        report: Report,
        config: TransformerConfig | None = None,
    ) -> None:
        """`config` is that of the model that the run goes on from; else the options make it.

        Raises InputError for a text that is shorter than the context, or a context that is longer than the model's.
        """
        self.options, self.tokenizer = options, tokenizer
        if config is None:
            config = make_config(options, tokenizer, context=options.context, positions=options.positions)
        if config.context is not None and options.context > config.context:
            raise InputError(
                f"--context is {options.context}; {options.from_model} reads at most {config.context}: lower --context"
            )
        self.config = config
        self.train, self.valid = (
            np.array([token for ids in tokenizer.encode_batch(part) for token in ids], dtype=np.int32)
            for part in (corpus.train, corpus.valid)
        )
        if len(self.train) <= options.context:
            raise InputError(
                f"--context is {options.context}; the training text has {len(self.train):,} tokens: lower --context, "
                "or give a longer text"
            )
        self.valid_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in corpus.valid)
        self.prompt = corpus.valid[0][:PROMPT_CHARACTERS]
        self.train_size = len(self.train)
        parts = (("training text", self.train), ("validation text", self.valid))
        self.digests = {name: hashlib.sha256(ids.tobytes()).hexdigest() for name, ids in parts}
        self._rows = max(1, options.batch_tokens // options.context)

    @property
    def batches_per_epoch(self) -> int:
        """How many batches one pass over the text has."""
        return -(-(len(self.train) - 1) // self.options.context // self._rows)

    def batches(self, start: int) -> Iterator[tuple[int, TextBatch]]:
        """(epoch, blocks) without end, skipping the first `start` batches."""

        def of_epoch(epoch: int) -> list[Any]:
            starts = block_starts(len(self.train), self.options.context, seed=self.options.seed, epoch=epoch)
            return [partial(self._batch, self.train, part) for part in self._cut(starts)]

        return in_epochs(of_epoch, start)

    def largest_batch(self) -> TextBatch:
        """The first: all are of one size, but the last of an epoch."""
        return next(self.batches(0))[1]

    def validation_batches(self) -> list[TextBatch]:
        """The validation text in consecutive blocks: each token but the first is predicted once.

        The last block may be shorter. It is a batch of its own, because GPT-2 has no token for padding.
        """
        starts = block_starts(len(self.valid), self.options.context, seed=None)
        return [self._batch(self.valid, part) for part in (*self._cut(starts[:-1]), starts[-1:])]

    def evaluate(self, model: Model[Any], loss: float, workers: Steps) -> Evaluation:
        """Bits per byte, and what the model writes after the beginning of the validation text."""
        bits = loss / math.log(2) * (len(self.valid) - 1) / self.valid_bytes
        text = self._sample(model, SAMPLE_TOKENS)
        return Evaluation(
            {"bits_per_byte": bits}, f"{bits:.3f} bits per byte", text.split("\n"), example=text.replace("\n", " / ")
        )

    def test(self, model: Model[Any], workers: Steps) -> Evaluation:
        """The validation text again, by the finished model, and a longer sample."""
        loss = self.validation_loss(model, workers)
        bits = loss / math.log(2) * (len(self.valid) - 1) / self.valid_bytes
        figures = {"set": "validation", "loss": loss, "bits_per_byte": bits}
        said = f"validation: loss {loss:.4f} per token, perplexity {math.exp(loss):.2f}, {bits:.4f} bits per byte"
        sample = self._sample(model, LONG_SAMPLE_TOKENS).split("\n")
        return Evaluation(figures, said, sample, title="a sample, {}")

    def final_words(self) -> str:
        """What `test` does."""
        return "writing a sample"

    def try_it(self, run: str) -> str:
        """A completion of the validation text's beginning."""
        words = " ".join(self.prompt.split()[:2])
        return f"python -m numpy_transformer.complete --model {run} {shlex.quote(words)}"

    def _sample(self, model: Model[Any], count: int) -> str:
        assert isinstance(model, LanguageModel)
        prompt = self.tokenizer.encode(self.prompt)[: self.options.context]
        ids = [int(step[0]) for step in complete(model, prompt, count, Sampling(temperature=0.8))]
        return self.tokenizer.decode([*prompt, *ids])

    def _cut(self, starts: Array) -> list[Array]:
        return [starts[i : i + self._rows] for i in range(0, len(starts), self._rows)]

    def _batch(self, stream: Array, starts: Array) -> TextBatch:
        return block_batch(stream, starts, self.options.context, self.config.pad_id)
