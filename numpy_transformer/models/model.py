"""What all models have in common: a configuration, its parameters in one flat buffer, and their file."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, device_module, to_host
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, DropoutMasks, Dropouts
from numpy_transformer.backend.precision import check_precision, precision
from numpy_transformer.errors import InputError
from numpy_transformer.layers.consistency import consistent_loss_and_gradients
from numpy_transformer.layers.output_loss import OutputParameters, output_loss, output_loss_and_gradients
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.layers.ternary import ternary_parameters
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.storage.int8_rows import from_int8
from numpy_transformer.storage.tensors import map_tensors, save_tensors
from numpy_transformer.storage.trits import from_trits

DTYPES = ("float32", "float64", "complex128")
KINDS = {  # what a file calls a model, and what opens it
    "encoder-decoder": "nt.Transformer, translate.py",
    "decoder": "nt.LanguageModel, python -m numpy_transformer.complete",
    "encoder": "nt.Encoder, python -m numpy_transformer.fill or .classify",
    "sound": "nt.SoundTransformer, translate.py --audio",
}

Tree = TypeVar("Tree")
Inputs: TypeAlias = Sequence[Any]


class Model(Generic[Tree]):
    """A configuration and its parameters.

    `seed` draws the initial parameters, the same ones for every dtype and device. `dtype` is "float32" (training),
    "float64" or "complex128" (derivative checks). `device` is "cpu" or "gpu". `precision` is that of float32 matrix
    products on a GPU in `loss_and_gradients`, and nowhere else (precision.py). `recompute` saves memory: layers compute
    their caches twice (recompute.py). `philox` draws dropout masks on a CPU as a GPU draws them, more slowly
    (dropout_masks.py). initialise=False leaves all parameters at zero, for values that come from elsewhere. Raises
    InputError for an unknown dtype, device or precision, and for a configuration that this kind of model cannot have.
    """

    kind: ClassVar[str]  # one of KINDS
    _spec: ClassVar[Callable[[TransformerConfig], Any]]

    # Each kind has these two, whose first arguments are what it learns from.
    loss_and_gradients: Callable[..., tuple[Any, Parameters[Tree]]]
    loss: Callable[..., Any]

    # The parts of a training step. `inputs` are ids and positions, on the model's device.

    def _forward(self, inputs: Inputs, *, dropouts: Dropouts) -> tuple[Array, Any]:
        """-> one vector for each prediction (N, D), and the cache."""
        raise NotImplementedError

    def _backward(self, dfinal: Array, cache: Any, gradients: Tree) -> None:
        """dfinal (N, D) -> all gradients, added to what the loss wrote."""
        raise NotImplementedError

    def _output(self, tree: Tree, inputs: Inputs) -> OutputParameters:
        """What the vectors are multiplied with: parameters or, in a tree of gradients, theirs."""
        raise NotImplementedError

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
        spec = type(self)._spec(config)
        xp = device_module(device)
        check_precision(precision, xp)
        self.config = config
        self.precision = precision
        self.recompute = recompute
        self.philox = philox
        self.tokenizer_digest: str | None = None  # of the tokenizer whose ids it learned, where that is known; is saved
        self.parameters: Parameters[Tree] = Parameters.allocate(spec, dtype=dtype, xp=xp)
        if initialise:
            self.parameters.initialise(spec, seed=seed)

    def __repr__(self) -> str:
        config, flat = self.config, self.parameters.flat
        layers = {"encoder": config.encoder_layers, "decoder": config.decoder_layers}
        depth = layers.get(self.kind, f"{config.encoder_layers}+{config.decoder_layers}")
        device = "CPU" if array_module(flat) is np else "GPU"
        return (
            f"<{type(self).__name__}: {depth} layers, D {config.d_model}, F {config.d_ff}, H {config.heads}, "
            f"vocabulary {config.vocabulary_size:,}; {flat.size:,} parameters of {flat.dtype} on the {device}"
            f"{', ternary weights' if config.weights == 'ternary' else ''}>"
        )

    def quantised(self) -> Self:
        """The model that computes: this one or, with ternary weights, a float model of what they are rounded to now.

        Whoever reads weights to compute with them asks for it first; there is nothing to ask of a float model.
        """
        if self.config.weights == "float":
            return self
        model = copy(self)
        model.config = self.config.replace(weights="float")
        model.parameters = ternary_parameters(self.parameters)
        return model

    def _loss_and_gradients(
        self,
        inputs: Inputs,
        gold: Array,
        *,
        seed: int | Sequence[int] | None,
        label_smoothing: float,
        token_count: int | None,
        gradients: Parameters[Tree] | None,
        consistency: float = 0.0,
    ) -> tuple[Any, Parameters[Tree]]:
        """One step's loss and gradients: `gold` (N,) are the right predictions.

        With `consistency` the inputs hold everything twice, and their neighbouring predictions must agree.
        """
        loss_and_dfinal: Callable[..., tuple[Array, Array]] = output_loss_and_gradients
        if consistency:
            loss_and_dfinal = partial(consistent_loss_and_gradients, consistency=consistency)
        gradients = self.parameters.twin() if gradients is None else gradients
        model = self.quantised()
        with precision(self.precision):
            final, cache = model._forward(inputs, dropouts=self._dropouts(seed))
            # The loss: forward turns into backward. It assigns its part of the table's gradient, the rest adds to it.
            loss, dfinal = loss_and_dfinal(
                final,
                self._output(model.parameters.tree, inputs),
                gold,
                self._output(gradients.tree, inputs),
                label_smoothing=label_smoothing,
                token_count=len(gold) if token_count is None else token_count,
            )
            model._backward(dfinal, cache, gradients.tree)
        return loss[()], gradients

    def _loss(self, inputs: Inputs, gold: Array, *, label_smoothing: float, token_count: int | None) -> Any:
        """The loss alone, without dropout."""
        model = self.quantised()
        final, _ = model._forward(inputs, dropouts=NO_DROPOUT)
        output, count = self._output(model.parameters.tree, inputs), len(gold) if token_count is None else token_count
        return output_loss(final, output, gold, label_smoothing=label_smoothing, token_count=count)[()]

    def save(self, path: str | Path) -> None:
        """Write configuration and parameters as one safetensors file, atomically."""
        metadata = {"config": self.config.to_json()}
        if self.kind != "encoder-decoder":
            metadata["model"] = self.kind
        if self.tokenizer_digest is not None:
            metadata["tokenizer"] = self.tokenizer_digest
        save_tensors(path, self.host_tensors(), metadata)

    def host_tensors(self) -> dict[str, Array]:
        """Every parameter by its name, on the host: views on a CPU, copies from a GPU."""
        return dict(Parameters.view(to_host(self.parameters.flat), self.parameters.tree).named())

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu") -> Self:
        """The inverse of `save`; also reads a training checkpoint.

        Weights of few bits (int8_rows.py, trits.py) become float32. Raises InputError naming file and remedy.
        """
        tensors, metadata = map_tensors(path)
        try:
            tensors = from_trits(from_int8(tensors))
        except ValueError as error:
            raise InputError(f"{path}: {error}: copy the file again, or export it again from its run") from None
        if "config" not in metadata:
            raise InputError(f"{path} holds no model configuration; it was not written by numpy_transformer")
        kind = metadata.get("model", "encoder-decoder")
        if kind != cls.kind:
            raise InputError(f"{path} holds a model of the kind {kind}: open it with {KINDS.get(kind, 'its program')}")
        config = TransformerConfig.from_json(metadata["config"])
        dtype = next(iter(tensors.values())).dtype if tensors else "float32"
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

    def _dropouts(self, seed: int | Sequence[int] | None) -> Dropouts:
        if seed is None:
            return NO_DROPOUT
        key = tuple(seed) if isinstance(seed, Sequence) else (seed,)
        xp = array_module(self.parameters.flat)

        def masks(kind: int, probability: float) -> DropoutMasks | None:
            return DropoutMasks(probability, (*key, kind), xp, philox=self.philox) if probability else None

        return Dropouts(masks(0, self.config.dropout), masks(1, self.config.attention_dropout))


def check_ids(name: str, ids: Array, config: TransformerConfig) -> None:
    """Raises InputError unless all ids of a host array are in the vocabulary.

    NumPy would take negative ones from the end of the table, and a GPU silently reads foreign memory.
    """
    if ids.size and not 0 <= ids.min() <= ids.max() < config.vocabulary_size:
        raise InputError(
            f"{name} holds ids from {ids.min()} to {ids.max()}; the vocabulary has 0 to {config.vocabulary_size - 1}"
        )


def check_rows(name: str, ids: Array, config: TransformerConfig) -> None:
    """Raises InputError unless `ids` is an array (B, T) of ids, T at least 1."""
    if ids.ndim != 2 or ids.shape[1] == 0 or not np.issubdtype(ids.dtype, np.integer):
        raise InputError(f"{name} must be a 2-D array of integer ids, one row a sentence; got {ids.dtype} {ids.shape}")
    check_ids(name, ids, config)


def check_vectors(name: str, vectors: Array, config: TransformerConfig) -> None:
    """Raises InputError unless `vectors` is an array (B, S, F) of finite numbers, with padding only at the end."""
    F = config.source_features
    if vectors.ndim != 3 or vectors.shape[1] == 0 or vectors.shape[2] != F or vectors.dtype.kind != "f":
        raise InputError(
            f"{name} must be a 3-D array of floating-point vectors of {F} numbers, one row a sound; got "
            f"{vectors.dtype} {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        raise InputError(f"{name} holds numbers that are not finite")
    real = (vectors != 0).any(axis=2)
    if (real[:, 1:] > real[:, :-1]).any():
        raise InputError(f"{name} holds a vector of zeros, which is padding, before another vector")


def check_source(source: Array, config: TransformerConfig) -> None:
    """Raises InputError for a source that a model of this configuration cannot read."""
    if config.source_features:
        check_vectors("source", source, config)
    else:
        check_ids("source", source, config)


def check_smoothing(label_smoothing: float) -> None:
    """Raises InputError for a label smoothing that is not a probability."""
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"label_smoothing is {label_smoothing}; it must be between 0 and 1")
