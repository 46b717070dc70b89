"""What is checked: one layer, with one draw of its inputs, its parameters and an upstream gradient."""

import dataclasses
import functools
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.layers.parameters import map_tree


class GradientError(AssertionError):
    """A backward and an oracle disagree, or a layer breaks its contract.

    what: what is wrong, without the layer's name and the command that shows it again; the message has all three.
    """

    def __init__(self, what: str, *, case: "Case | None" = None) -> None:
        super().__init__(f"{case.name} {what}\n    reproduce with: {case.command}" if case else what)
        self.what = what


Inputs = Mapping[str, Array]
Disturb = Callable[[Any], Any]
ForwardPass = Callable[[Inputs, Any], tuple[Array, Any]]  # activations, parameters -> y, cache
BackwardPass = Callable[[Array, Any, Any, Any], tuple[Array, ...]]  # dy, cache, parameters, gradients -> dactivations


@dataclass(frozen=True)
class Case:
    """A layer as a function of named arrays, and its gradients under the same names.

    Activations come first; parameters follow under their paths in the tree, as in `Parameters.named()`. The forward is
    pure (dropout draws its masks from a fixed seed), so an oracle may call it as often as it likes, in any dtype.
    """

    name: str
    inputs: dict[str, Array]  # float64
    upstream: Array  # dy, the shape of y
    seed: int
    recipe: str  # the call that makes this case again, such as "softmax(seed=4)"
    activations: tuple[str, ...]
    spec: Any  # a tree of parameters; only its structure and paths count
    forward_pass: ForwardPass
    backward_pass: BackwardPass
    adds: bool = False  # the backward adds to its parameter gradients (the shared embedding)

    @property
    def layer(self) -> str:
        """The name without the variant in brackets."""
        return self.name.partition(" (")[0]

    @property
    def command(self) -> str:
        """The line for a shell that checks this case again."""
        device = "" if array_module(self.upstream) is np else " --device gpu"
        return f"python -m numpy_transformer.gradcheck {shlex.quote(self.recipe)}{device}"

    def forward(self, inputs: Inputs) -> Array:
        """y for any inputs of these names and shapes, in their dtype."""
        return self.forward_pass(inputs, self._tree(inputs))[0]

    def gradients(self, inputs: Inputs, *, disturb: Disturb | None = None) -> dict[str, Array]:
        """The layer's own gradients, from its backward.

        The parameter gradients start as NaN, which reveals one that is never assigned, or is added to. `disturb` is
        applied to everything the backward works with: dy, the cache and the parameters. Raises GradientError if the
        layer changed dy or an input, or returned anything but one gradient of the right shape for each activation.
        """
        like = next(iter(inputs.values()))
        xp, start = array_module(like), 0.0 if self.adds else np.nan
        gradients = map_tree(lambda path, _: xp.full(inputs[path].shape, start, dtype=like.dtype), self.spec)
        arguments = {**inputs, "dy": self.upstream}
        before = {name: x.copy() for name, x in arguments.items()}
        parameters, dy = self._tree(inputs), self.upstream
        _, cache = self.forward_pass(inputs, parameters)
        if disturb is not None:
            dy, cache, parameters = disturb(dy), disturb(cache), disturb(parameters)
        returned = self.backward_pass(dy, cache, parameters, gradients)
        changed = [name for name, x in arguments.items() if not xp.array_equal(x, before[name], equal_nan=True)]
        for name in changed:
            arguments[name][...] = before[name]
        if changed:
            raise GradientError(f"changed its argument {' and '.join(changed)}", case=self)
        named = dict(zip(self.activations, returned, strict=True))
        for name, gradient in named.items():
            if not isinstance(gradient, xp.ndarray | np.generic):
                what = "None" if gradient is None else f"a {type(gradient).__name__}"
                raise GradientError(f"returned {what}; it must return d{name}, an array", case=self)
            if gradient.shape != inputs[name].shape:
                shapes = f"the shape {gradient.shape}; {name} has {inputs[name].shape}"
                raise GradientError(f"returned a d{name} of {shapes}", case=self)
        map_tree(lambda path, leaf: named.update({path: leaf}), gradients)
        return named

    def replace_activations(self, change: Callable[[Array], Array]) -> "Case":
        """The same case with every activation, and dy, replaced by change(array)."""
        inputs = {name: change(x) if name in self.activations else x for name, x in self.inputs.items()}
        return dataclasses.replace(self, inputs=inputs, upstream=change(self.upstream))

    def _tree(self, inputs: Inputs) -> Any:
        return map_tree(lambda path, _: inputs[path], self.spec)


Builder = Callable[..., Case]
BUILDERS: dict[str, Builder] = {}  # every builder by its name


def recipe(builder: Builder) -> Builder:
    """Record in the case the call that makes it again, so that a failure can print it."""

    @functools.wraps(builder)
    def build(*, xp: ModuleType = np, **arguments: Any) -> Case:
        call = f"{builder.__name__}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
        return dataclasses.replace(builder(xp=xp, **arguments), recipe=call)

    BUILDERS[builder.__name__] = build
    return build


def make_case(
    name: str,
    forward_pass: ForwardPass,
    backward_pass: BackwardPass,
    *,
    seed: int,
    activations: Mapping[str, tuple[int, ...]],
    spec: Any = None,
    scale: float = 1.0,
    xp: ModuleType = np,
    adds: bool = False,
    upstream: Array | None = None,
) -> Case:
    """Draw a case: activations N(0, scale^2), weights N(0, 1/inputs), gains, biases and dy N(0, 1).

    Gains and dy are deliberately never constant: with a constant gain * dy, layer norm's dx vanishes, and so does any
    error in it. `upstream` replaces the drawn dy.
    """
    rng = np.random.default_rng(seed)
    inputs = {key: scale * rng.standard_normal(shape) for key, shape in activations.items()}

    def draw(path: str, leaf: Any) -> None:
        spread = leaf.shape[0] ** -0.5 if len(leaf.shape) == 2 else 1.0
        inputs[path] = spread * rng.standard_normal(leaf.shape)

    map_tree(draw, spec)
    inputs = {key: xp.asarray(value) for key, value in inputs.items()}
    case = Case(name, inputs, xp.zeros(0), seed, "", tuple(activations), spec, forward_pass, backward_pass, adds)
    if upstream is None:
        upstream = rng.standard_normal(case.forward(case.inputs).shape)
    return dataclasses.replace(case, upstream=xp.asarray(upstream))
