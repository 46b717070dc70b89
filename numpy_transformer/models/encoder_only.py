"""class Encoder: the encoder alone, which reads a text in both directions (BERT; Devlin et al. 2019).

It is one stack (one_stack.py) whose mask hides padding only, and a head (heads.py) that predicts masked words, or the
class of a text.

Derivation. Head and stack run in reverse. Masked words use the table twice, so its gradient is a sum: the projection's
part and the embedding's. What the loss does not depend on, such as the other head, has gradient 0.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, ids_to_device, to_device
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, Dropouts
from numpy_transformer.errors import InputError
from numpy_transformer.layers.output_loss import OutputParameters, output_projection
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.layers.softmax import softmax_forward
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_decoder import source_mask
from numpy_transformer.models.heads import (
    ClassifierParameters,
    MaskedWordsCache,
    MaskedWordsParameters,
    PoolerCache,
    classifier_spec,
    masked_words_backward,
    masked_words_forward,
    masked_words_spec,
    pooler_backward,
    pooler_forward,
)
from numpy_transformer.models.model import Inputs, Model, check_rows, check_smoothing
from numpy_transformer.models.one_stack import (
    OneStackCache,
    OneStackParameters,
    check_length,
    one_stack_backward,
    one_stack_forward,
    one_stack_spec,
    rows_backward,
)


class EncoderParameters(NamedTuple):
    stack: OneStackParameters
    masked_words: MaskedWordsParameters
    classifier: ClassifierParameters | None  # a model without labels has none


class ReadingCache(NamedTuple):
    stack: OneStackCache
    positions: Array | None  # (N,) the masked ones among the B * T; None where texts are classified
    head: Any  # MaskedWordsCache or PoolerCache


def encoder_spec(config: TransformerConfig) -> EncoderParameters:
    """The shape and initial value of every parameter: `encoder_layers` layers, and the heads."""
    return EncoderParameters(
        stack=one_stack_spec(config, layers=config.encoder_layers),
        masked_words=masked_words_spec(config),
        classifier=classifier_spec(config) if config.labels else None,
    )


def projection_of(parameters: EncoderParameters, *, words: bool) -> OutputParameters:
    """What the head's vectors are multiplied with: the table, or the classes."""
    if words:
        return OutputParameters(parameters.stack.embedding.weight, parameters.masked_words.bias)
    assert parameters.classifier is not None
    return parameters.classifier.output


def reading_forward(
    ids: Array,
    positions: Array | None,
    parameters: EncoderParameters,
    config: TransformerConfig,
    *,
    dropouts: Dropouts = NO_DROPOUT,
    recompute: bool = False,
) -> tuple[Array, ReadingCache]:
    """ids (B, T) -> the masked-word head's vectors (N, D) at `positions` (N,) of the B * T, or, where that is None, the
    classifier's vectors (B, D)."""
    mask = source_mask(ids, config)
    y, stack = one_stack_forward(ids, parameters.stack, config, mask=mask, dropouts=dropouts, recompute=recompute)
    head: MaskedWordsCache | PoolerCache
    if positions is not None:
        final, head = masked_words_forward(y.reshape(-1, y.shape[-1])[positions], parameters.masked_words, config)
    else:
        assert parameters.classifier is not None
        final, head = pooler_forward(y, mask[:, 0, 0], parameters.classifier.pooler, config, dropouts)
    return final, ReadingCache(stack, positions, head)


def reading_backward(
    dfinal: Array,
    cache: ReadingCache,
    parameters: EncoderParameters,
    gradients: EncoderParameters,
    config: TransformerConfig,
) -> None:
    """dfinal (N, D) or (B, D) -> the gradients of head and stack. It ADDS to the embedding's."""
    p, g = parameters, gradients
    if cache.positions is not None:
        drows = masked_words_backward(dfinal, cache.head, p.masked_words, g.masked_words, config)
        dy = rows_backward(drows, cache.positions, cache.stack.ids)
    else:
        assert p.classifier is not None
        assert g.classifier is not None
        dy = pooler_backward(dfinal, cache.head, p.classifier.pooler, g.classifier.pooler)
    one_stack_backward(dy, cache.stack, p.stack, g.stack)


class Encoder(Model[EncoderParameters]):
    """An encoder alone. The arguments are those of every model (model.py); its depth is `encoder_layers`.

    With `labels` in its configuration it has a classifier, too.
    """

    kind = "encoder"
    _spec = encoder_spec

    def loss_and_gradients(
        self,
        ids: Array,
        targets: Array,
        *,
        seed: int | Sequence[int] | None = None,
        label_smoothing: float = 0.0,
        token_count: int | None = None,
        gradients: Parameters[EncoderParameters] | None = None,
    ) -> tuple[Any, Parameters[EncoderParameters]]:
        """The loss per prediction, in nats, and its gradient.

        ids (B, T) is an integer array, right-padded with pad_id. `targets` are words (B, T), the right one at each
        masked position and pad_id elsewhere; or classes (B,), indices into the labels. The other arguments and the
        errors are those of `Transformer.loss_and_gradients`.
        """
        *inputs, gold = self._loss_ids(ids, targets, label_smoothing)
        gradients = self.parameters.twin() if gradients is None else gradients
        gradients.flat[...] = 0  # what this loss does not depend on, and the table, to which the embedding adds
        return self._loss_and_gradients(
            inputs,
            gold,
            seed=seed,
            label_smoothing=label_smoothing,
            token_count=token_count,
            gradients=gradients,
        )

    def loss(self, ids: Array, targets: Array, *, label_smoothing: float = 0.0, token_count: int | None = None) -> Any:
        """The loss alone, without dropout; arguments as in `loss_and_gradients`."""
        *inputs, gold = self._loss_ids(ids, targets, label_smoothing)
        return self._loss(inputs, gold, label_smoothing=label_smoothing, token_count=token_count)

    def hidden(self, ids: Array, *, types: Array | None = None) -> Array:
        """ids (B, T), right-padded, and their token types -> the stack's vectors (B, T, D), without dropout."""
        ids, types = self._on_device(ids, types)
        mask = source_mask(ids, self.config)
        tree = self.quantised().parameters.tree
        return one_stack_forward(ids, tree.stack, self.config, mask=mask, types=types)[0]

    def word_logits(self, ids: Array) -> Array:
        """ids (B, T) -> (B, T, V): of the word at each position."""
        ids, _ = self._on_device(ids)
        inputs = ids, np.arange(ids.size)
        return output_projection(*self._predict(inputs)).reshape(*ids.shape, -1)

    def class_probabilities(self, ids: Array) -> Array:
        """ids (B, T) -> (B, C). Raises InputError for a model without labels."""
        self._check_classifier()
        inputs = self._on_device(ids)  # None for positions
        return softmax_forward(output_projection(*self._predict(inputs)))[0]

    def _predict(self, inputs: Inputs) -> tuple[Array, OutputParameters]:
        """The head's vectors, without dropout, and what they are multiplied with."""
        model = self.quantised()
        return model._forward(inputs, dropouts=NO_DROPOUT)[0], self._output(model.parameters.tree, inputs)

    def _forward(self, inputs: Inputs, *, dropouts: Dropouts) -> tuple[Array, ReadingCache]:
        ids, positions = inputs
        tree = self.parameters.tree
        return reading_forward(ids, positions, tree, self.config, dropouts=dropouts, recompute=self.recompute)

    def _backward(self, dfinal: Array, cache: ReadingCache, gradients: EncoderParameters) -> None:
        reading_backward(dfinal, cache, self.parameters.tree, gradients, self.config)

    def _output(self, tree: EncoderParameters, inputs: Inputs) -> OutputParameters:
        return projection_of(tree, words=inputs[1] is not None)

    def _loss_ids(self, ids: Array, targets: Array, label_smoothing: float) -> list[Any]:
        """On the model's device: ids, the positions of masked words (None for classes), and what is right there."""
        ids, targets = np.asarray(ids), np.asarray(targets)
        on_device, _ = self._on_device(ids)
        check_smoothing(label_smoothing)
        xp = array_module(self.parameters.flat)
        if targets.ndim == 1:
            self._check_classifier()
            count = len(self.config.labels)
            if len(targets) != len(ids) or not 0 <= targets.min() <= targets.max() < count:
                raise InputError(f"targets are {targets.shape} classes; each text needs one from 0 to {count - 1}")
            return [on_device, None, to_device(targets, xp)]
        check_rows("targets", targets, self.config)
        if targets.shape != ids.shape:
            raise InputError(f"targets are {targets.shape} for ids {ids.shape}; both must have one shape")
        gold = targets.reshape(-1)
        masked = np.flatnonzero(gold != self.config.pad_id)
        return [on_device, *ids_to_device(xp, masked, gold[masked])]

    def _on_device(self, ids: Array, types: Array | None = None) -> list[Any]:
        ids = np.asarray(ids)
        check_rows("ids", ids, self.config)
        check_length("a text", ids.shape[1], self.config)
        if types is not None and (np.shape(types) != ids.shape or np.max(types) >= self.config.token_types):
            raise InputError(f"types must be {ids.shape} numbers below the model's token_types")
        xp = array_module(self.parameters.flat)
        return [to_device(ids, xp), None if types is None else to_device(np.asarray(types), xp)]

    def _check_classifier(self) -> None:
        if not self.config.labels:
            raise InputError("this model has no classes: train one with --model encoder --task classify")
