"""The tricks of a training step, each with the plain way of doing the same: for performance_ablation.py.

The package's own code stays unchanged. To switch off a trick, a plain twin replaces a function or a constant from
outside. `mock.patch.object` fails if that has gone, so this file cannot fall behind unnoticed.
tests/benchmarks/test_performance_tricks.py checks that the twins give the same loss and gradients.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from numpy_transformer.backend import dropout_masks
from numpy_transformer.layers import (
    attention,
    blocked_attention,
    feed_forward,
    multi_head_attention,
    output_loss,
    residual,
)
from numpy_transformer.layers.layer_norm import LayerNormCache
from numpy_transformer.layers.linear import LinearParameters, linear_backward, linear_forward
from numpy_transformer.models import encoder_decoder as transformer
from numpy_transformer.training import optimizer, parallel

Array = np.ndarray
UNLIMITED = 1 << 40


@dataclass
class Setup:
    """How a step is run, apart from its functions."""

    workers: int  # one: BLAS has threads of its own
    dtype: str = "float32"
    recompute: bool = False
    sorted_by_length: bool = True


Patch = Callable[[Any, str, Any], None]  # (module, name, what to put there)


class Trick(NamedTuple):
    title: str
    instead: str  # what is done without it
    off: Callable[[Patch, Setup], None] = lambda patch, setup: None
    fresh_process: bool = False  # cannot be switched in a running one
    long: bool = False  # for long sentences


@contextmanager
def switched_off(name: str, setup: Setup) -> Iterator[None]:
    """Switch off the trick `name`: replace functions and change `setup`."""
    with ExitStack() as stack:

        def patch(module: Any, attribute: str, value: Any) -> None:
            stack.enter_context(mock.patch.object(module, attribute, value))

        TRICKS[name].off(patch, setup)
        yield


# --- The machine ---


def float64(patch: Patch, setup: Setup) -> None:
    setup.dtype = "float64"


def blas_threads(patch: Patch, setup: Setup) -> None:
    setup.workers = 1


def threads_in_threads(patch: Patch, setup: Setup) -> None:
    class Unlimited:
        def limit(self, **_: object) -> Any:
            return mock.Mock(spec=["restore_original_limits"])

    patch(parallel, "ThreadpoolController", Unlimited)


def memory_given_back(patch: Patch, setup: Setup) -> None:
    patch(parallel, "keep_freed_memory", lambda: False)


# --- Fewer operations ---


def mixed_lengths(patch: Patch, setup: Setup) -> None:
    setup.sorted_by_length = False


def recomputed(patch: Patch, setup: Setup) -> None:
    setup.recompute = True


def one_hot_loss(patch: Patch, setup: Setup) -> None:
    """The formula of label-smoothed cross-entropy over the whole target distribution q (N, V)."""

    def forward(logits: Array, targets: Array, *, label_smoothing: float, token_count: int, out: Any = None) -> Any:
        V = logits.shape[-1]
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        p = exponentials / exponentials.sum(axis=-1, keepdims=True)
        q = (1 - label_smoothing) * np.eye(V, dtype=logits.dtype)[targets] + label_smoothing / V
        return -(q * np.log(p)).sum() / token_count, (p, q, token_count)

    def backward(dloss: float, cache: Any, *, out: Array) -> Array:
        p, q, token_count = cache
        out[...] = dloss * (p - q) / token_count
        return out

    patch(output_loss, "cross_entropy_forward", forward)
    patch(output_loss, "cross_entropy_backward", backward)


def softmax_jacobians(patch: Patch, setup: Setup) -> None:
    def backward(dy: Array, y: Array) -> Array:
        jacobian = y[..., None] * (np.eye(y.shape[-1], dtype=y.dtype) - y[..., None, :])  # (..., n, n)
        return np.matmul(dy[..., None, :], jacobian)[..., 0, :]

    patch(attention, "softmax_backward", backward)


# --- Large products instead of many small ones ---


def sentence_by_sentence(patch: Patch, setup: Setup) -> None:
    """y = x W for x (B, T, I) without reshaping: NumPy multiplies each of the B sentences separately."""

    def forward(x: Array, parameters: LinearParameters) -> Array:
        y = np.matmul(x, parameters.weight)
        y += parameters.bias
        return y

    def backward(dy: Array, x: Array, parameters: LinearParameters, gradients: LinearParameters) -> Array:
        np.matmul(x.swapaxes(-1, -2), dy).sum(axis=0, out=gradients.weight)
        dy.sum(axis=(0, 1), out=gradients.bias)
        return np.matmul(dy, parameters.weight.T)

    for module in (multi_head_attention, feed_forward):
        patch(module, "linear_forward", forward)
        patch(module, "linear_backward", backward)


def head_by_head(patch: Patch, setup: Setup) -> None:
    def matmul(a: Array, b: Array, *, out: Array | None = None) -> Array:
        out = np.empty((*a.shape[:-1], b.shape[-1]), a.dtype) if out is None else out
        for sentence_and_head in np.ndindex(a.shape[:-2]):
            np.matmul(a[sentence_and_head], b[sentence_and_head], out=out[sentence_and_head])
        return out

    patch(attention, "matmul", matmul)


def three_projections(patch: Patch, setup: Setup) -> None:
    def parts(parameters: LinearParameters) -> list[LinearParameters]:
        """The (D, n D) matrix as n of (D, D)."""
        inputs, outputs = parameters.weight.shape
        columns = [slice(start, start + inputs) for start in range(0, outputs, inputs)]
        return [LinearParameters(parameters.weight[:, c], parameters.bias[c]) for c in columns]

    def forward(x: Array, parameters: LinearParameters) -> Array:
        return np.concatenate([linear_forward(x, part) for part in parts(parameters)], axis=-1)

    def backward(dy: Array, x: Array, parameters: LinearParameters, gradients: LinearParameters) -> Array:
        pieces = np.split(dy, len(parts(parameters)), axis=-1)
        each = zip(pieces, parts(parameters), parts(gradients), strict=True)
        return sum(linear_backward(np.ascontiguousarray(piece), x, part, its) for piece, part, its in each)

    patch(multi_head_attention, "linear_forward", forward)
    patch(multi_head_attention, "linear_backward", backward)


# --- Fewer passes over memory ---


def whole_logits(patch: Patch, setup: Setup) -> None:
    patch(output_loss, "PRODUCT_ROWS", UNLIMITED)


def cold_loss(patch: Patch, setup: Setup) -> None:
    patch(output_loss, "CACHED_LOGITS", UNLIMITED)


def cold_adam(patch: Patch, setup: Setup) -> None:
    patch(optimizer, "CHUNK", UNLIMITED)


def tensor_by_tensor(patch: Patch, setup: Setup) -> None:
    def over_tensors(self: parallel.Workers, function: Callable[[slice], Any]) -> list[Any]:
        ends = np.cumsum([values.size for _, values in self.model.parameters.named()]).tolist()
        return self.map(function, [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)])

    patch(parallel.Workers, "_over_slices", over_tensors)


def formula_norm(patch: Patch, setup: Setup) -> None:
    """Layer norm exactly as its formulas are written, with a new array for each operation."""

    def forward(x: Array, parameters: Any, *, epsilon: float = 1e-5) -> tuple[Array, LayerNormCache]:
        inverse_deviation = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)
        normalized = (x - x.mean(axis=-1, keepdims=True)) * inverse_deviation
        return parameters.gain * normalized + parameters.bias, LayerNormCache(normalized, inverse_deviation)

    def backward(dy: Array, cache: LayerNormCache, parameters: Any, gradients: Any) -> Array:
        normalized, inverse_deviation = cache
        gradients.gain[...] = (dy * normalized).sum(axis=(0, 1))
        gradients.bias[...] = dy.sum(axis=(0, 1))
        dnormalized = dy * parameters.gain
        shift = dnormalized.mean(axis=-1, keepdims=True)
        stretch = (dnormalized * normalized).mean(axis=-1, keepdims=True)
        return inverse_deviation * (dnormalized - shift - normalized * stretch)

    patch(residual, "layer_norm_forward", forward)
    patch(residual, "layer_norm_backward", backward)


def highest_score(patch: Patch, setup: Setup) -> None:
    """Softmax that masks first and then finds the maximum of every row."""

    def forward(x: Array, *, mask: Array | None = None, out: Array) -> tuple[Array, Array]:
        if mask is not None:
            np.copyto(x, -1e30, where=~mask)
        np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
        np.exp(out, out=out)
        out /= out.sum(axis=-1, keepdims=True)
        if mask is not None:
            out *= mask.any(axis=-1, keepdims=True)
        return out, out

    patch(attention, "softmax_forward", forward)


# --- NumPy's faster functions ---


def reduced_sums(patch: Patch, setup: Setup) -> None:
    """np.add.reduce instead of einsum for sums of rows, and instead of products with np.ones."""

    class Ones(np.ndarray):
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
            plain = [value.view(np.ndarray) if isinstance(value, Ones) else value for value in inputs]
            if ufunc is not np.matmul:
                return getattr(ufunc, method)(*plain, **options)
            return np.add.reduce(plain[1], axis=0, **options)

    def row_sums(subscripts: str, *operands: Array) -> Array:
        return einsum(subscripts, *operands) if len(operands) > 1 else np.add.reduce(*operands, axis=-1)

    ones, einsum = np.ones, np.einsum
    patch(np, "ones", lambda shape, dtype=None: ones(shape, dtype).view(Ones))
    patch(np, "einsum", row_sums)


def float_masks(patch: Patch, setup: Setup) -> None:
    def next_mask(self: dropout_masks.DropoutMasks, shape: tuple[int, ...]) -> Array:
        self._site += 1
        return np.random.default_rng((*self._seed, self._site)).random(shape) >= self.threshold / dropout_masks.LEVELS

    patch(dropout_masks.DropoutMasks, "next_mask", next_mask)


def scattered_rows(patch: Patch, setup: Setup) -> None:
    def backward(dy: Array, ids: Array, gradients: Any) -> None:
        np.add.at(gradients.weight, ids, dy * dy.shape[-1] ** 0.5)

    patch(transformer, "embedding_backward", backward)


# --- Long sentences ---


def plain_attention(patch: Patch, setup: Setup) -> None:
    patch(blocked_attention, "BLOCKED_FROM", UNLIMITED)


TRICKS: dict[str, Trick] = {
    "float32": Trick("float32", "float64", float64),
    "workers": Trick("a worker for each core", "one worker, BLAS threads", blas_threads),
    "single": Trick("BLAS threads: one for each worker", "as many as there are cores", threads_in_threads),
    "memory": Trick("freed memory is kept (memory.py)", "glibc's defaults", memory_given_back, fresh_process=True),
    "kernel": Trick("BLAS kernels for AVX-512", "for AVX2 (OPENBLAS_CORETYPE=Haswell)", fresh_process=True),
    "buckets": Trick("batches of equal lengths", "of any lengths, padded", mixed_lengths),
    "indexed": Trick("loss: the gold token is indexed", "one-hot rows in the formula", one_hot_loss),
    "jacobian": Trick("softmax backward: a row product", "a Jacobian for each row", softmax_jacobians),
    "rows": Trick("linear layers: all positions at once", "sentence by sentence", sentence_by_sentence),
    "heads": Trick("attention: one stacked product", "a loop over sentences and heads", head_by_head),
    "qkv": Trick("query, key, value in one product", "a product for each", three_projections),
    "chunks": Trick("logits in chunks of 1,024 rows", "all logits of a worker", whole_logits),
    "cached": Trick("loss in blocks that fit the cache", "chunk by chunk", cold_loss),
    "norm": Trick("layer norm in place, few passes", "as the formulas are written", formula_norm),
    "softmax": Trick("small scores: no maximum is sought", "the maximum of every row", highest_score),
    "sums": Trick("sums by einsum and products with ones", "np.add.reduce", reduced_sums),
    "masks": Trick("dropout masks of 16 random bits", "of a float64 each", float_masks),
    "embedding": Trick("embedding gradient by sorting", "np.add.at", scattered_rows),
    "flat": Trick("one flat buffer of parameters", "a pass for each tensor", tensor_by_tensor),
    "adam": Trick("Adam in chunks that fit the cache", "each pass over the whole buffer", cold_adam),
    "caches": Trick("layers keep their caches", "--recompute", recomputed),
    "long_caches": Trick("2,048 tokens: layers keep their caches", "--recompute", recomputed, long=True),
    "blocked": Trick("2,048 tokens: attention in blocks", "the plain form", plain_attention, long=True),
}
