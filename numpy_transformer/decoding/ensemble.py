"""Several models search as one: the probability of a token is the mean of theirs.

    log p(v) = log (1/M sum_m exp(l_mv)) = logsumexp_m(l_mv) - log M

where l_m are model m's log-probabilities. Models trained from different seeds, or checkpoints of one run, err
differently; what they agree on is more often right.
"""

import math
from collections.abc import Sequence

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.decoding.incremental import IncrementalDecoder
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.decoding.packed import PackedModel
from numpy_transformer.decoding.scoring import log_normalizer
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer

Models = Transformer | PackedModel | Sequence[Transformer] | Sequence[PackedModel]


class EnsembleDecoder:
    """IncrementalDecoders side by side; all methods as there. `step` returns log-probabilities instead of logits."""

    def __init__(self, models: Sequence[Transformer] | Sequence[PackedModel], source: Array) -> None:
        self._decoders = [IncrementalDecoder(model, source) for model in models]
        self.vocabulary = self._decoders[0].vocabulary

    def admit(self, source: Array) -> None:
        for decoder in self._decoders:
            decoder.admit(source)

    def step(self, tokens: Array, parents: Array | None = None) -> Array:
        return mean_log_probabilities([decoder.step(tokens, parents) for decoder in self._decoders])

    def source_weights(self) -> Array:
        weights = [decoder.source_weights() for decoder in self._decoders]
        return array_module(weights[0]).stack(weights).mean(axis=0)

    def retain(self, rows: Array) -> None:
        for decoder in self._decoders:
            decoder.retain(rows)


def mean_log_probabilities(logits: Sequence[Array]) -> Array:
    """The log of the models' mean probabilities: M arrays (..., V), which are overwritten -> (..., V)."""
    xp = array_module(logits[0])
    for one in logits:
        one -= log_normalizer(one)[..., None]
    mean = logits[0]
    for other in logits[1:]:
        xp.logaddexp(mean, other, out=mean)
    mean -= math.log(len(logits))
    return mean


def config_of(models: Models) -> TransformerConfig:
    """The configuration of the model, or of the first of several: their special ids are the same."""
    return models[0].config if isinstance(models, Sequence) else models.config


def open_decoder(
    models: Models, source: Array, shortlist: Shortlist | None = None
) -> IncrementalDecoder | EnsembleDecoder:
    """A decoder for one model, perhaps with a shortlist, or for several of one vocabulary."""
    if not isinstance(models, Sequence):
        return IncrementalDecoder(models, source, shortlist)
    if len(models) == 1:
        return IncrementalDecoder(models[0], source, shortlist)
    assert shortlist is None, "an ensemble searches the whole vocabulary"
    return EnsembleDecoder(models, source)
