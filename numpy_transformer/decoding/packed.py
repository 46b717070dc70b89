"""Weights packed for products with few rows: what BLAS would repeat at every step is done once.

A decoding step multiplies a few rows, sometimes only a beam's four, by every weight of the decoder. BLAS first copies
both factors into an order of its own; with few rows that costs more than the product. OpenBLAS has kernels that do not
copy, for products of at most a million multiplications, but in a row-major weight the columns of such a product lie far
apart. So here

    W (I, O)   ->   panels (O / 64, I, 64), each contiguous
    y = x W    =    [x panel_0 | x panel_1 | ...], a few rows of x at a time

On one core of an AMD EPYC (Zen 4), W 512 x 1,536 in float32, the product is then 2.5 to 3 times as fast for 4 rows, 1.1
to 1.3 times for 64 and 1.1 times for 256 (benchmarks/results/decoding_profile_base.txt). Without such kernels
weights stay as they are.
"""

from functools import cache
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_device
from numpy_transformer.layers.output_loss import OutputParameters, output_projection
from numpy_transformer.layers.parameters import map_tree
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_decoder import output_parameters
from numpy_transformer.models.transformer import Transformer

# OpenBLAS's name for the processors for which it has small-matrix kernels.
SMALL_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}
SMALL = 1_000_000  # multiplications in a product that they take at most
PANEL = 64  # columns
FEWEST_ROWS = 8  # at once: with fewer, a panel is read from memory too often
MOST_ROWS = 64


class PackedWeight:
    """A weight (I, O), O >= 64, that stands on the right of np.matmul and of nothing else.

    It is a copy: later changes of the weight do not reach it.
    """

    def __init__(self, weight: Array) -> None:
        inputs, outputs = weight.shape
        width = PANEL if inputs * PANEL * FEWEST_ROWS <= SMALL else PANEL // 2
        panels = outputs // width
        tiled = weight[:, : panels * width].reshape(inputs, panels, width)
        self._panels = np.ascontiguousarray(tiled.swapaxes(0, 1))  # (panels, I, width)
        self._rest = np.ascontiguousarray(weight[:, panels * width :])  # the last columns, fewer than a panel
        self._tiled = panels * width
        self._outputs = outputs
        self._rows = MOST_ROWS
        while self._rows > 1 and self._rows * inputs * width > SMALL:
            self._rows //= 2
        self._whole = weight if weight.flags.c_contiguous else None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """How NumPy calls it: x (M, I) @ self -> (M, O)."""
        if ufunc is not np.matmul or method != "__call__" or inputs[1] is not self:
            return NotImplemented
        x = inputs[0]
        [y] = options.get("out", (None,))
        # A single row reads the weight once, best from end to end, and a small weight needs no panels.
        if self._whole is not None and (len(x) == 1 or x.size * self._outputs <= SMALL):
            return np.matmul(x, self._whole, out=y)
        y = np.empty((len(x), self._outputs), dtype=x.dtype) if y is None else y
        by_panel = y[:, : self._tiled].reshape(len(x), *self._panels.shape[::2]).swapaxes(0, 1)  # (panels, M, width)
        together = len(x) - len(x) % self._rows if len(x) > self._rows else 0
        if together:
            blocks = x[:together].reshape(-1, self._rows, x.shape[1])
            out = by_panel[:, :together].reshape(len(self._panels), *blocks.shape[:2], -1)  # still a view into y
            np.matmul(blocks, self._panels[:, None], out=out)
        if together < len(x):
            np.matmul(x[together:], self._panels, out=by_panel[:, together:])
        if self._tiled < self._outputs:
            np.matmul(x, self._rest, out=y[:, self._tiled :])
        return y


class PackedModel:
    """What searches need from a model, with its weights packed where that pays.

    It holds copies: packed once and used for many searches, it does not see later changes of the model's parameters.
    """

    def __init__(self, model: Transformer) -> None:
        model = model.quantised()
        tree, flat = model.parameters.tree, model.parameters.flat
        self.config: TransformerConfig = model.config
        encoder, decoder = (packed_where_it_pays(part, flat) for part in (tree.encoder, tree.decoder))
        self.parameters = tree._replace(encoder=encoder, decoder=decoder)
        self.projection = Projection(output_parameters(tree), pack=packing_pays(flat))


def packed_where_it_pays(layers: Any, flat: Array) -> Any:
    """Some layers of the model with the parameters `flat`, their weights packed where that pays."""
    return map_tree(lambda _, leaf: _packed(leaf), layers) if packing_pays(flat) else layers


def packing_pays(flat: Array) -> bool:
    """Whether products with few rows are faster with packed weights: on a CPU whose BLAS has kernels for them."""
    return isinstance(flat, np.ndarray) and has_small_kernels()


class Projection:
    """The output projection x E^T + b (output_loss.py), onto all tokens or some of them."""

    def __init__(self, parameters: OutputParameters, *, pack: bool) -> None:
        self._parameters = parameters
        self._pack = pack
        self._packed = _packed(parameters.weight.T) if pack else None

    def logits(self, x: Array, *, out: Array | None = None) -> Array:
        """Rows (N, D) -> (N, V), written into `out` if that is given."""
        if self._packed is None:
            return output_projection(x, self._parameters, out=out)
        logits = np.matmul(x, self._packed, out=out)
        if self._parameters.bias is not None:
            logits += self._parameters.bias
        return logits

    def onto(self, tokens: Array) -> "Projection":
        """The logits of some tokens only; `tokens` is a host array of ids."""
        weight, bias = self._parameters
        chosen = to_device(tokens, array_module(weight))
        return Projection(OutputParameters(weight[chosen], bias if bias is None else bias[chosen]), pack=self._pack)


def _packed(weight: Array) -> Any:
    """The weight in panels; itself if it is a vector or narrower than a panel."""
    return PackedWeight(weight) if weight.ndim == 2 and weight.shape[1] >= PANEL else weight


@cache
def has_small_kernels() -> bool:
    """Whether NumPy runs on an OpenBLAS that does small products without packing."""
    from threadpoolctl import threadpool_info

    return any(
        library["internal_api"] == "openblas" and library.get("architecture") in SMALL_KERNELS
        for library in threadpool_info()
    )
