"""All parameters in one flat buffer, seen as a tree of named arrays; gradients are a second such buffer.

The optimizer, the sum over workers and the checkpoint see one vector. The layers see the tree: NamedTuples whose
leaves are views into that vector. Nothing is ever copied between the two, because they are the same memory.

    parameters.flat                                                  (n,) every number of the model
    parameters.tree.encoder[0].self_attention.query_key_value.weight (D, 3D) a view into it
    dict(parameters.named())["encoder.0.self_attention.query_key_value.weight"]  the same view
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, TypeVar, cast

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module

Tree = TypeVar("Tree")
Initialiser = Callable[[np.random.Generator, tuple[int, ...]], Array]


@dataclass(frozen=True)
class ParameterSpec:
    """What a leaf of the tree will be: its shape, and how its initial values are drawn (float64, on the host)."""

    shape: tuple[int, ...]
    initialise: Initialiser


def parameter(shape: tuple[int, ...], initialise: Initialiser) -> Array:
    """A placeholder for the array in a tree of specs. Both kinds of tree share a type, hence the cast."""
    return cast(Array, ParameterSpec(shape, initialise))


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Biases start at 0."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Layer-norm gains start at 1."""
    return np.ones(shape)


def normal(deviation: float) -> Initialiser:
    """Normal with mean 0: tables of embeddings and of positions."""
    return lambda rng, shape: rng.normal(0, deviation, shape)


def xavier_uniform(fan_out: int | None = None) -> Initialiser:
    """Uniform within +-sqrt(6 / (in + out)), which keeps the variance of values and gradients (Glorot and Bengio 2010).

    `fan_out` replaces the number of outputs, for a matrix drawn as part of a wider one.
    """

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        bound = math.sqrt(6 / (shape[0] + (fan_out or shape[1])))
        return rng.uniform(-bound, bound, shape)

    return draw


def map_tree(function: Callable[[str, Any], Any], tree: Any, path: str = "") -> Any:
    """The same tree with every leaf replaced by function(path, leaf); tuples and NamedTuples are the inner nodes."""
    if tree is None:
        return None
    if not isinstance(tree, tuple):
        return function(path, tree)
    names = getattr(tree, "_fields", range(len(tree)))
    children = [
        map_tree(function, child, f"{path}.{name}" if path else str(name))
        for name, child in zip(names, tree, strict=True)
    ]
    return type(tree)(*children) if hasattr(tree, "_fields") else tuple(children)


@dataclass(frozen=True, repr=False)
class Parameters(Generic[Tree]):
    """A flat buffer and the tree of views into it. Gradients have the same type and the same shape of tree."""

    flat: Array
    tree: Tree

    @classmethod
    def allocate(cls, spec: Any, *, dtype: str = "float32", xp: ModuleType = np) -> "Parameters[Any]":
        """A zeroed buffer for a tree of ParameterSpec."""
        sizes: list[int] = []
        map_tree(lambda _, leaf: sizes.append(math.prod(leaf.shape)), spec)
        flat = xp.zeros(sum(sizes), dtype=dtype)
        return cls.view(flat, spec)

    @classmethod
    def view(cls, flat: Array, shapes: Any) -> "Parameters[Any]":
        """A tree of views into `flat`, with the shapes of the leaves of `shapes` (specs or arrays), in their order."""
        offset = 0

        def take(_: str, leaf: Any) -> Array:
            nonlocal offset
            start, offset = offset, offset + math.prod(leaf.shape)
            return flat[start:offset].reshape(leaf.shape)

        return cls(flat, map_tree(take, shapes))

    def __reduce__(self) -> tuple[Any, ...]:
        """Makes the views of copies and pickles point into their own buffer, not into copies of its parts."""
        shapes = map_tree(lambda _, leaf: SimpleNamespace(shape=leaf.shape), self.tree)
        return type(self).view, (self.flat, shapes)

    def __repr__(self) -> str:
        count = sum(1 for _ in self.named())
        return f"<Parameters: {self.flat.size:,} numbers of {self.flat.dtype} in {count} arrays>"

    def initialise(self, spec: Any, *, seed: int) -> None:
        """Draw the initial values, the same ones for every dtype and device."""
        rng = np.random.default_rng(seed)
        views = dict(self.named())

        def draw(path: str, leaf: ParameterSpec) -> None:
            values = leaf.initialise(rng, leaf.shape).astype(self.flat.dtype)
            views[path][...] = array_module(self.flat).asarray(values)

        map_tree(draw, spec)

    def named(self) -> Iterator[tuple[str, Array]]:
        """Every parameter's path and view, in the order of the flat buffer."""
        leaves: list[tuple[str, Array]] = []
        map_tree(lambda path, leaf: leaves.append((path, leaf)), self.tree)
        return iter(leaves)

    def layers(self) -> list[tuple[Any, slice]]:
        """Each layer of the model's stacks, a subtree, and its place in the flat buffer, in the buffer's order."""
        found: list[tuple[Any, slice]] = []

        def walk(tree: Any, start: int, *, in_stack: bool) -> int:
            if tree is None:
                return start
            if not isinstance(tree, tuple):
                return start + tree.size
            end = start
            for child in tree:
                end = walk(child, end, in_stack=not hasattr(tree, "_fields"))  # a plain tuple is a stack
            if in_stack:
                found.append((tree, slice(start, end)))
            return end

        walk(self.tree, 0, in_stack=False)
        return found

    def twin(self) -> "Parameters[Tree]":
        """A new set of zeros of the same shapes: a home for gradients, moments, averages."""
        return type(self).view(array_module(self.flat).zeros_like(self.flat), self.tree)
