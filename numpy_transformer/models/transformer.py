"""class Transformer: the encoder-decoder, and what users do with it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, ids_to_device
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, Dropouts
from numpy_transformer.errors import InputError
from numpy_transformer.layers.output_loss import OutputParameters, output_projection
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.models.encoder_decoder import (
    TransformerCache,
    TransformerParameters,
    decoder_forward,
    encoder_forward,
    output_parameters,
    transformer_backward,
    transformer_forward,
    transformer_spec,
)
from numpy_transformer.models.model import Inputs, Model, check_rows, check_smoothing


class Transformer(Model[TransformerParameters]):
    """The paper's model. The arguments are those of every model (model.py)."""

    kind = "encoder-decoder"
    _spec = transformer_spec

    def loss_and_gradients(
        self,
        source: Array,
        target: Array,
        *,
        seed: int | Sequence[int] | None = None,
        label_smoothing: float = 0.1,
        token_count: int | None = None,
        gradients: Parameters[TransformerParameters] | None = None,
    ) -> tuple[Any, Parameters[TransformerParameters]]:
        """The label-smoothed loss per real target token, and its gradient.

        source (B, S) and target (B, 1 + T) are integer arrays, right-padded with pad_id; target begins with bos_id
        and ends with eos_id. `seed` draws the dropout masks; None means no dropout. `token_count` replaces the
        number of real target tokens as the denominator, for a shard of a larger batch. `gradients` is overwritten
        and returned; without it a new one is allocated. Raises InputError for invalid shapes, ids or smoothing.

        With a configuration's `consistency`, and dropout, two passes are made, and the loss is the mean of theirs plus
        the term that holds them together.
        """
        consistency = 0.0 if seed is None else self.config.consistency
        passes = 2 if consistency else 1
        *inputs, gold = self._loss_ids(source, target, label_smoothing, passes=passes)
        return self._loss_and_gradients(
            inputs,
            gold,
            seed=seed,
            label_smoothing=label_smoothing,
            token_count=None if token_count is None else passes * token_count,
            gradients=gradients,
            consistency=consistency,
        )

    def loss(
        self, source: Array, target: Array, *, label_smoothing: float = 0.1, token_count: int | None = None
    ) -> Any:
        """The loss alone, without dropout; arguments as in `loss_and_gradients`."""
        *inputs, gold = self._loss_ids(source, target, label_smoothing)
        return self._loss(inputs, gold, label_smoothing=label_smoothing, token_count=token_count)

    def logits(self, source: Array, target_input: Array) -> Array:
        """source (B, S), target_input (B, T) beginning with bos_id -> (B, T, V), without dropout."""
        source, target_input = self._checked(source, target_input)
        source, target_input = self._to_device(source, target_input)
        tree = self.quantised().parameters.tree
        memory, _ = encoder_forward(source, tree, self.config, dropouts=NO_DROPOUT)
        y, _ = decoder_forward(target_input, memory, source, tree, self.config, dropouts=NO_DROPOUT)
        return output_projection(y, output_parameters(tree))

    def _forward(self, inputs: Inputs, *, dropouts: Dropouts) -> tuple[Array, TransformerCache]:
        source, target_input, positions = inputs
        tree = self.parameters.tree
        return transformer_forward(
            source, target_input, positions, tree, self.config, dropouts=dropouts, recompute=self.recompute
        )

    def _backward(self, dfinal: Array, cache: TransformerCache, gradients: TransformerParameters) -> None:
        transformer_backward(dfinal, cache, self.parameters.tree, gradients)

    def _output(self, tree: TransformerParameters, inputs: Inputs) -> OutputParameters:
        return output_parameters(tree)

    def _loss_ids(self, source: Array, target: Array, label_smoothing: float, passes: int = 1) -> list[Array]:
        """On the model's device: source, target input, and the N real positions with their gold ids.

        For several `passes` the sentences stand there as often, and the passes of a position are neighbours. The
        positions are found on the host, so that the host need not wait for a GPU.
        """
        source, target = self._checked(source, target)
        if len(target) == 0 or target.shape[1] < 2:
            raise InputError(
                f"target is {target.shape}; it must hold at least one sentence of bos_id and one more token"
            )
        check_smoothing(label_smoothing)
        labels = target[:, 1:].reshape(-1)
        real = np.flatnonzero(labels != self.config.pad_id)
        if passes > 1:
            real = np.stack([real + number * len(labels) for number in range(passes)], axis=1).reshape(-1)
            source, target, labels = (np.concatenate([part] * passes) for part in (source, target, labels))
        return self._to_device(source, target[:, :-1], real, labels[real])

    def _to_device(self, source: Array, *ids: Array) -> list[Array]:
        """The source and arrays of ids, on the model's device."""
        return ids_to_device(array_module(self.parameters.flat), source, *ids)

    def _checked(self, source: Array, target: Array) -> tuple[Array, Array]:
        """Host arrays of ids, two axes each, with equally many sentences."""
        source, target = np.asarray(source), np.asarray(target)
        for name, ids in (("source", source), ("target", target)):
            check_rows(name, ids, self.config)
        if len(source) != len(target):
            raise InputError(f"source has {len(source)} sentences, target {len(target)}")
        return source, target
