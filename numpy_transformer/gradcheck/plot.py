"""Error against step size for four rules of differentiation: a picture everyone should see once."""

from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.gradcheck.case import Case
from numpy_transformer.gradcheck.layer_cases import layer_norm
from numpy_transformer.gradcheck.model_cases import transformer
from numpy_transformer.gradcheck.oracles import UNIT_ROUNDOFF, central_difference, complex_step_along, random_signs
from numpy_transformer.storage.atomic import atomic_write

STEPS = np.logspace(-20, 0, 81)
FORMATS = (".png", ".pdf", ".svg")
FLOOR = 1e-17  # where an error of exactly 0 is drawn


def draw_errors(path: Path, *, seed: int) -> None:
    """Write the picture: layer norm on the left, the whole Transformer on the right."""
    from matplotlib.figure import Figure

    figure = Figure((13, 6.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    _draw(axes[0], layer_norm(seed=seed), "Layer norm, gradient of x")
    _draw(axes[1], transformer(seed=seed), "Whole Transformer, gradient of all parameters")
    axes[0].set_ylabel("error relative to the largest entry of the gradient")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    figure.suptitle("How well can a derivative be measured? Oracle against hand-written backward, by step size")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=150, format=path.suffix[1:])


def _draw(axes: Any, case: Case, title: str) -> None:
    names = case.activations or tuple(case.inputs)
    signs = {name: random_signs(case.inputs[name], case.seed + i) for i, name in enumerate(names)}
    gradients = case.gradients(case.inputs)
    claimed = sum(float((gradients[name] * signs[name]).sum()) for name in names)
    largest = max(float(abs(gradients[name]).max()) for name in names)

    def errors(rule: Any) -> Array:
        found = np.array([rule(step) for step in STEPS])
        return np.maximum(np.abs(found - claimed) / largest, FLOOR)

    y = case.forward(case.inputs)

    def forward_difference(step: float) -> float:
        moved = {k: v + step * signs[k] if k in signs else v for k, v in case.inputs.items()}
        return float(((case.forward(moved) - y) * case.upstream).sum()) / step

    def central(step: float) -> float:
        return central_difference(case.forward, case.inputs, signs, case.upstream, step)

    def complex_rule(step: float) -> float:
        return complex_step_along(case.forward, case.inputs, signs, case.upstream, step=step)

    def extrapolated(step: float) -> float:
        return (16 * central(step / 4) - central(step)) / 15

    for rule, label, color in (
        (forward_difference, "forward difference, truncation ~ h", "#b3b3b3"),
        (central, "central difference, truncation ~ h²", "#d95f02"),
        (extrapolated, "central differences, extrapolated (the second oracle), truncation ~ h⁴", "#e6ab02"),
        (complex_rule, "complex step (the first oracle, with h = 1e-20), truncation ~ h²", "#1b6ca8"),
    ):
        axes.loglog(STEPS, errors(rule), "o-", ms=2.5, lw=1.3, color=color, label=label)
    axes.axhline(UNIT_ROUNDOFF, color="black", lw=0.8, ls=":")
    for text, position, color in (
        ("u = 1.1e-16, the rounding of float64", (2e-9, 2e-17), "black"),
        ("too small a step: equal numbers\nare subtracted, rounding ~ u/h", (2e-20, 1e-7), "#d95f02"),
        ("nothing is subtracted,\nso nothing is lost", (2e-20, 2e-14), "#1b6ca8"),
        ("too large a step:\nthe curve is not\nits tangent", (3e-5, 1.5e-15), "#555555"),
    ):
        axes.annotate(text, position, fontsize=9, color=color)
    axes.set(xlabel="step h", title=title, ylim=(FLOOR / 3, 1e2), xlim=(STEPS[0] / 2, 3))
    axes.grid(alpha=0.25)
