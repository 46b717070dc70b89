"""class LanguageModel: the decoder alone, which predicts each token of a text from those before it (GPT; Radford et al.
2018). It is one stack (one_stack.py) with a causal mask, and the table once more as its output projection (model.py).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, ids_to_device
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, Dropouts
from numpy_transformer.errors import InputError
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.output_loss import OutputParameters, output_projection
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.models.config import TransformerConfig
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


def language_model_spec(config: TransformerConfig) -> OneStackParameters:
    """The shape and initial value of every parameter: `decoder_layers` layers."""
    return one_stack_spec(config, layers=config.decoder_layers)


class LanguageModel(Model[OneStackParameters]):
    """A decoder alone. The arguments are those of every model (model.py); its depth is `decoder_layers`."""

    kind = "decoder"
    _spec = language_model_spec

    def loss_and_gradients(
        self,
        ids: Array,
        *,
        seed: int | Sequence[int] | None = None,
        label_smoothing: float = 0.0,
        token_count: int | None = None,
        gradients: Parameters[OneStackParameters] | None = None,
    ) -> tuple[Any, Parameters[OneStackParameters]]:
        """The loss per predicted token, in nats, and its gradient.

        ids (B, 1 + T) is an integer array; each token but a row's first is predicted from those before it in the row.
        Rows of several lengths are right-padded with pad_id, which is never predicted. The other arguments and the
        errors are those of `Transformer.loss_and_gradients`.
        """
        *inputs, gold = self._loss_ids(ids, label_smoothing)
        return self._loss_and_gradients(
            inputs,
            gold,
            seed=seed,
            label_smoothing=label_smoothing,
            token_count=token_count,
            gradients=gradients,
        )

    def loss(self, ids: Array, *, label_smoothing: float = 0.0, token_count: int | None = None) -> Any:
        """The loss alone, without dropout; arguments as in `loss_and_gradients`. exp(loss) is the perplexity."""
        *inputs, gold = self._loss_ids(ids, label_smoothing)
        return self._loss(inputs, gold, label_smoothing=label_smoothing, token_count=token_count)

    def logits(self, ids: Array) -> Array:
        """ids (B, T) -> (B, T, V): of the token after each position, without dropout."""
        ids = self._checked(ids)
        xp = array_module(self.parameters.flat)
        model = self.quantised()
        final, _ = model._forward(ids_to_device(xp, ids, np.arange(ids.size)), dropouts=NO_DROPOUT)
        return output_projection(final, self._output(model.parameters.tree, ())).reshape(*ids.shape, -1)

    def _forward(self, inputs: Inputs, *, dropouts: Dropouts) -> tuple[Array, tuple[OneStackCache, Array]]:
        ids, positions = inputs
        mask = causal_mask(ids.shape[1], self.parameters.flat)
        y, cache = one_stack_forward(
            ids, self.parameters.tree, self.config, mask=mask, dropouts=dropouts, recompute=self.recompute
        )
        return y.reshape(-1, y.shape[-1])[positions], (cache, positions)

    def _backward(self, dfinal: Array, cache: tuple[OneStackCache, Array], gradients: OneStackParameters) -> None:
        stack, positions = cache
        one_stack_backward(rows_backward(dfinal, positions, stack.ids), stack, self.parameters.tree, gradients)

    def _output(self, tree: OneStackParameters, inputs: Inputs) -> OutputParameters:
        return OutputParameters(tree.embedding.weight)

    def _loss_ids(self, ids: Array, label_smoothing: float) -> list[Array]:
        """On the model's device: the tokens before, and the N positions with a token to predict, and these tokens."""
        ids = np.asarray(ids)
        if ids.ndim == 2 and ids.shape[1] < 2:
            raise InputError(
                f"ids are {ids.shape}; a row must hold at least two tokens, since the first is not predicted"
            )
        check_rows("ids", ids, self.config)
        before = self._checked(ids[:, :-1])
        check_smoothing(label_smoothing)
        gold = ids[:, 1:].reshape(-1)
        real = np.flatnonzero(gold != self.config.pad_id)
        return ids_to_device(array_module(self.parameters.flat), before, real, gold[real])

    def _checked(self, ids: Array) -> Array:
        ids = np.asarray(ids)
        check_rows("ids", ids, self.config)
        check_length("a row", ids.shape[1], self.config)
        return ids
