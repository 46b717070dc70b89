"""class Transformer: a configuration, its parameters, and what users do with them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, device_module, ids_to_device, to_device, to_host
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, DropoutMasks, Dropouts
from numpy_transformer.backend.precision import check_precision, precision
from numpy_transformer.errors import InputError
from numpy_transformer.layers.output_loss import output_loss, output_loss_and_gradients, output_projection
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_decoder import (
    TransformerParameters,
    decoder_forward,
    encoder_forward,
    output_parameters,
    transformer_backward,
    transformer_forward,
    transformer_spec,
)
from numpy_transformer.storage.int8_rows import from_int8
from numpy_transformer.storage.tensors import map_tensors, save_tensors

DTYPES = ("float32", "float64", "complex128")


class Transformer:
    """A configuration and its parameters.

    `seed` draws the initial parameters, the same ones for every dtype and device. `dtype` is "float32" (training),
    "float64" or "complex128" (derivative checks). `device` is "cpu" or "gpu". `precision` is that of float32 matrix
    products on a GPU in `loss_and_gradients`, and nowhere else (precision.py). `recompute` saves memory: layers compute
    their caches twice (recompute.py). `philox` draws dropout masks on a CPU as a GPU draws them, more slowly
    (dropout_masks.py). initialise=False leaves all parameters at zero, for values that come from elsewhere. Raises
    InputError for an unknown dtype, device or precision.
    """

    def __init__(
        self,
        config: TransformerConfig,
        *,
        seed: int = 0,
        dtype: str = "float32",
        device: str = "cpu",
        precision: str = "float32",
        recompute: bool = False,
        philox: bool = False,
        initialise: bool = True,
    ) -> None:
        if dtype not in DTYPES:
            raise InputError(f"unknown dtype {dtype!r}; it must be one of {', '.join(DTYPES)}")
        spec = transformer_spec(config)
        xp = device_module(device)
        check_precision(precision, xp)
        self.config = config
        self.precision = precision
        self.recompute = recompute
        self.philox = philox
        self.tokenizer_digest: str | None = None  # of the tokenizer whose ids it learned, where that is known; is saved
        self.parameters: Parameters[TransformerParameters] = Parameters.allocate(spec, dtype=dtype, xp=xp)
        if initialise:
            self.parameters.initialise(spec, seed=seed)

    def __repr__(self) -> str:
        config, flat = self.config, self.parameters.flat
        device = "CPU" if array_module(flat) is np else "GPU"
        return (
            f"<Transformer: {config.encoder_layers}+{config.decoder_layers} layers, D {config.d_model}, "
            f"F {config.d_ff}, H {config.heads}, vocabulary {config.vocabulary_size:,}; "
            f"{flat.size:,} parameters of {flat.dtype} on the {device}>"
        )

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
        """
        source, target = self._checked(source, target)
        _check_loss(target, label_smoothing)
        if gradients is None:
            gradients = self.parameters.twin()
        parameters = self.parameters.tree
        source, target_input, positions, gold = self._loss_ids(source, target)
        with precision(self.precision):
            final, cache = transformer_forward(
                source,
                target_input,
                positions,
                parameters,
                self.config,
                dropouts=self._dropouts(seed),
                recompute=self.recompute,
            )
            # The loss: forward turns into backward. It assigns its part of the table's gradient, the rest adds to it.
            loss, dfinal = output_loss_and_gradients(
                final,
                output_parameters(parameters),
                gold,
                output_parameters(gradients.tree),
                label_smoothing=label_smoothing,
                token_count=len(gold) if token_count is None else token_count,
            )
            transformer_backward(dfinal, cache, parameters, gradients.tree)
        return loss[()], gradients

    def loss(
        self, source: Array, target: Array, *, label_smoothing: float = 0.1, token_count: int | None = None
    ) -> Any:
        """The loss alone, without dropout; arguments as in `loss_and_gradients`."""
        source, target = self._checked(source, target)
        _check_loss(target, label_smoothing)
        parameters = self.parameters.tree
        source, target_input, positions, gold = self._loss_ids(source, target)
        final, _ = transformer_forward(source, target_input, positions, parameters, self.config)
        loss = output_loss(
            final,
            output_parameters(parameters),
            gold,
            label_smoothing=label_smoothing,
            token_count=len(gold) if token_count is None else token_count,
        )
        return loss[()]

    def logits(self, source: Array, target_input: Array) -> Array:
        """source (B, S), target_input (B, T) beginning with bos_id -> (B, T, V), without dropout."""
        source, target_input = self._checked(source, target_input)
        xp = array_module(self.parameters.flat)
        source, target_input = to_device(source, xp), to_device(target_input, xp)
        tree = self.parameters.tree
        memory, _ = encoder_forward(source, tree, self.config, dropouts=NO_DROPOUT)
        y, _ = decoder_forward(target_input, memory, source, tree, self.config, dropouts=NO_DROPOUT)
        return output_projection(y, output_parameters(tree))

    def save(self, path: str | Path) -> None:
        """Write configuration and parameters as one safetensors file, atomically."""
        metadata = {"config": self.config.to_json()}
        if self.tokenizer_digest is not None:
            metadata["tokenizer"] = self.tokenizer_digest
        save_tensors(path, self.host_tensors(), metadata)

    def host_tensors(self) -> dict[str, Array]:
        """Every parameter by its name, on the host: views on a CPU, copies from a GPU."""
        return dict(Parameters.view(to_host(self.parameters.flat), self.parameters.tree).named())

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu") -> "Transformer":
        """The inverse of `save`; also reads a training checkpoint, and weights of 8 bits (int8_rows.py) as float32.

        Raises InputError naming file and remedy.
        """
        tensors, metadata = map_tensors(path)
        try:
            tensors = from_int8(tensors)
        except ValueError as error:
            raise InputError(f"{path}: {error}: copy the file again, or export it again from its run") from None
        if "config" not in metadata:
            raise InputError(f"{path} holds no model configuration; it was not written by numpy_transformer")
        config = TransformerConfig.from_json(metadata["config"])
        dtype = tensors["embedding.weight"].dtype if "embedding.weight" in tensors else "float32"
        model = cls(config, dtype=str(dtype), device=device, initialise=False)
        model.assign(tensors, path)
        model.tokenizer_digest = metadata.get("tokenizer")
        return model

    def assign(self, tensors: Mapping[str, Array], path: str | Path) -> None:
        """Set every parameter from a host array of its name; `path` is named in the error if one does not fit."""
        xp = array_module(self.parameters.flat)
        if "embedding.output_bias" in tensors:  # its name in files of older versions
            tensors = {**tensors, "output_bias": tensors["embedding.output_bias"]}
        for name, view in self.parameters.named():
            if name not in tensors or tensors[name].shape != view.shape:
                found = tensors[name].shape if name in tensors else "nothing"
                raise InputError(f"{path}: {name} should be {view.shape}, found {found}; the file is of another model")
            view[...] = xp.asarray(tensors[name])

    def _loss_ids(self, source: Array, target: Array) -> list[Array]:
        """From host arrays to the model's device: source, target input, and the N real positions with their gold ids.

        The positions are found on the host, so that the host need not wait for a GPU.
        """
        labels = target[:, 1:].reshape(-1)
        real = np.flatnonzero(labels != self.config.pad_id)
        return ids_to_device(array_module(self.parameters.flat), source, target[:, :-1], real, labels[real])

    def _dropouts(self, seed: int | Sequence[int] | None) -> Dropouts:
        if seed is None:
            return NO_DROPOUT
        key = tuple(seed) if isinstance(seed, Sequence) else (seed,)
        xp = array_module(self.parameters.flat)

        def masks(kind: int, probability: float) -> DropoutMasks | None:
            return DropoutMasks(probability, (*key, kind), xp, philox=self.philox) if probability else None

        return Dropouts(masks(0, self.config.dropout), masks(1, self.config.attention_dropout))

    def _checked(self, source: Array, target: Array) -> tuple[Array, Array]:
        """Host arrays of ids, two axes each, with equally many sentences."""
        source, target = np.asarray(source), np.asarray(target)
        for name, ids in (("source", source), ("target", target)):
            if ids.ndim != 2 or ids.shape[1] == 0 or not np.issubdtype(ids.dtype, np.integer):
                raise InputError(
                    f"{name} must be a 2-D array of integer ids, one row a sentence; got {ids.dtype} {ids.shape}"
                )
            check_ids(name, ids, self.config)
        if len(source) != len(target):
            raise InputError(f"source has {len(source)} sentences, target {len(target)}")
        return source, target


def check_ids(name: str, ids: Array, config: TransformerConfig) -> None:
    """Raises InputError unless all ids of a host array are in the vocabulary.

    NumPy would take negative ones from the end of the table, and a GPU silently reads foreign memory.
    """
    if ids.size and not 0 <= ids.min() <= ids.max() < config.vocabulary_size:
        raise InputError(
            f"{name} holds ids from {ids.min()} to {ids.max()}; the vocabulary has 0 to {config.vocabulary_size - 1}"
        )


def _check_loss(target: Array, label_smoothing: float) -> None:
    """Raises InputError for a batch with no token to predict, or a label smoothing that is not a probability."""
    if len(target) == 0 or target.shape[1] < 2:
        raise InputError(f"target is {target.shape}; it must hold at least one sentence of bos_id and one more token")
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"label_smoothing is {label_smoothing}; it must be between 0 and 1")
