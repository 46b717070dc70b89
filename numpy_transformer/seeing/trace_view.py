"""What the trace page shows, as plain lists and numbers for JSON: one sentence through every array of the model.

    {"text", "translation", "loss", "source", "target", "boxes": [Box], "steps": [Assignment], "arrays": [Numbers],
     "derivations": {file: docstring}}

A box is a part of the model, such as the self-attention of encoder layer 1; a step is an array with its line of code.
Arrays are written once each, as 16-bit floats relative to their largest entry: three digits, in a third of the space.
"""

import base64
import hashlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bpe.show import visible
from numpy_transformer.backend.arrays import Array
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.seeing.probing import Probed
from numpy_transformer.seeing.tracing import Assignment, Call, record

PACKAGE = "numpy_transformer"
MOST_NUMBERS = 1_400_000  # of all arrays together: 3.7 MB in base64
MOST_ROWS, MOST_COLUMNS = 64, 512  # of a matrix
SUBLAYERS = {"self_attention": "self-attention", "cross_attention": "cross-attention", "feed_forward": "feed-forward"}
FROM_SOURCE = {"key", "value", "memory", "dkey", "dvalue", "dmemory", "projected_key_value", "dprojected_key_value"}


def trace_steps(model: Transformer, source: Array, target: Array) -> tuple[float, list[Assignment]]:
    """The loss and every array of one sentence, forward and backward, without dropout; `model` is in float64."""
    found: list[Any] = []

    def compute() -> None:
        found.append(model.loss_and_gradients(source, target)[0])

    steps = record(compute, dict(model.parameters.named()))
    return float(found[0]), steps


def trace_view(
    *,
    text: str,
    translation: str,
    source: Sequence[bytes],
    target: Sequence[bytes],
    loss: float,
    steps: Sequence[Assignment],
    probed: Mapping[int, Probed],
) -> dict[str, Any]:
    """The argument of `showTrace` (trace.js). `target` are the tokens that enter the decoder, bos first."""
    shown = list(_new_ones(steps, probed))
    columns = MOST_COLUMNS
    while columns > 8 and sum(_cut(steps[number], columns)[0].size for number in shown) > MOST_NUMBERS:
        columns //= 2
    boxes: dict[str, dict[str, Any]] = {}
    listed: list[dict[str, Any]] = []
    arrays: list[dict[str, Any]] = []
    labels = {"source": [visible(token) for token in source], "target": [visible(token) for token in target]}
    for number in shown:
        step = steps[number]
        key, title = box_of(step.call)
        backward = any(call.function.endswith("_backward") for call in step.call.ancestors())
        box = boxes.setdefault(key, {"title": title, "forward": [], "backward": []})
        box["backward" if backward else "forward"].append(len(listed))
        numbers, rows = _cut(step, columns)
        described = _described(step, key, rows, labels)
        if number in probed:
            one = probed[number]
            described["oracle"] = {"index": one.entry, "ours": one.ours, "oracle": one.oracle}
        listed.append(described | {"box": list(boxes).index(key), "backward": backward, "array": len(arrays)})
        arrays.append(_written(numbers))
    return {
        "text": text,
        "translation": translation,
        "loss": loss,
        **labels,
        "boxes": list(boxes.values()),
        "steps": listed,
        "arrays": arrays,
        "derivations": {step.call.module: _derivation(step.call.module) for step in steps},
    }


def box_of(call: Call) -> tuple[str, str]:
    """The part of the model that a call works for: a key and a title."""
    functions = [one.function for one in call.ancestors()]
    side = next((one.partition("_")[0] for one in functions if one.startswith(("encoder_", "decoder_"))), "")
    for one in call.ancestors():
        if one.function.startswith("residual_"):
            stack, layer, sublayer = one.path.split(".")[:3]
            return one.path, f"{stack.capitalize()} {int(layer) + 1}: {SUBLAYERS[sublayer]}"
        if one.function.startswith("embed_"):
            name = "source" if side == "encoder" else "target"
            return f"{side}.embedding", f"Embedding of the {name}"
        if one.function.startswith("output_loss"):
            return "output", "Output projection and loss"
    return (side or "model", f"{side.capitalize()}: masks and norms") if side else ("model", "The whole model")


def _new_ones(steps: Sequence[Assignment], probed: Mapping[int, Probed]) -> Iterator[int]:
    """The steps whose numbers were not there before under another name, and all that an oracle was asked about."""
    seen: set[bytes] = set()
    for number, step in enumerate(steps):
        digest = hashlib.sha256(step.value.tobytes()).digest()
        if digest not in seen or number in probed or step.name.startswith("gradients."):
            yield number
        seen.add(digest)


def _cut(step: Assignment, columns: int) -> tuple[Array, list[int] | None]:
    """The part of an array that is shown, at most four axes; the numbers of the rows that were chosen, if not all.

    Of a matrix with many rows, such as a table's gradient, those with the largest entries are shown.
    """
    value = step.value.reshape(1, -1) if step.value.ndim < 2 else step.value
    value = value.reshape(-1, *value.shape[-2:])[..., :columns]
    if value.shape[-2] <= MOST_ROWS:
        return value, None
    size = abs(value).max(axis=(0, 2))
    rows = np.sort(np.argsort(-size, kind="stable")[: MOST_ROWS // 2])
    return value[:, rows], rows.tolist()


def _described(step: Assignment, box: str, rows: list[int] | None, labels: Mapping[str, list[str]]) -> dict[str, Any]:
    value = step.value
    root = Path(importlib.import_module(PACKAGE).__file__ or "").parent.parent
    module = importlib.import_module(step.call.module)
    row_names, column_names = _axis_labels(step, box, labels)
    return {
        "function": step.call.function,
        "path": step.call.path,
        "module": step.call.module,
        "file": Path(module.__file__ or "").relative_to(root).as_posix(),
        "line": step.statement.line,
        "code": step.statement.code,
        "name": step.name,
        "shape": value.shape,
        "least": float(value.real.min()),
        "largest": float(value.real.max()),
        "norm": float(np.linalg.norm(value)),
        "rows": [str(row) for row in rows] if rows is not None else row_names,
        "columns": column_names,
    }


def _axis_labels(step: Assignment, box: str, labels: Mapping[str, list[str]]) -> tuple[list[str], list[str]]:
    """The tokens along the last two axes, where these are positions."""
    own = "source" if box.startswith("encoder") else "target"
    cross = box.endswith("cross_attention")
    rows = "source" if cross and step.name in FROM_SOURCE else own
    columns = "source" if cross else own
    shape = step.value.shape
    between = step.value.ndim == 4 and "by_head" not in step.name and step.name in BETWEEN_POSITIONS
    positions = len(shape) >= 2 and not step.name.startswith("gradients.") and step.name != "table"
    return (
        labels[rows] if positions and shape[-2] == len(labels[rows]) else [],
        labels[columns] if between and shape[-1] == len(labels[columns]) else [],
    )


BETWEEN_POSITIONS = {"scores", "weights", "dropped", "dweights", "dscores", "y", "dx", "x", "mask"}


def _written(value: Array) -> dict[str, Any]:
    scale = float(abs(value).max()) or 1.0
    numbers = (value.real / scale).astype("<f2")
    return {"shape": value.shape, "scale": scale, "data": base64.b64encode(numbers.tobytes()).decode()}


def _derivation(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").strip()
