"""The trace page: one sentence through every array of the model, forward and back, in one file."""

from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np

from numpy_transformer.errors import InputError
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.seeing.page import as_json, asset
from numpy_transformer.seeing.probing import probe
from numpy_transformer.seeing.trace_view import trace_steps, trace_view

STYLES = ("seeing.css", "trace.css")
SCRIPTS = ("dom.js", "trace.js")  # in this order
MOST_TOKENS = 64  # of the source or of the target
MOST_PARAMETERS = 20_000_000  # a larger model would take minutes and much memory


def check_trace_format(path: str | Path) -> None:
    """Raises InputError unless `path` ends with .html."""
    if Path(path).suffix.lower() != ".html":
        raise InputError(f"{path}: a trace is a page: give a name that ends with .html")


def trace_page(
    model: Transformer,
    source: Sequence[int],
    target: Sequence[int],
    *,
    text: str,
    translation: str,
    source_tokens: Sequence[bytes],
    target_tokens: Sequence[bytes],
    oracle: bool = True,
) -> str:
    """The page for source ids (S) and target ids (T), both ending with eos, and the bytes of these tokens.

    The arrays are those of one training step on this pair alone, in float64, without dropout. With `oracle`, the
    largest entry of each gradient stands beside the complex step's value, which takes a forward for each (some seconds
    in all). Raises InputError for a blank or too long sentence, or a model that is too large.
    """
    if not source or not target:
        raise InputError("a blank text cannot be traced: give a sentence and its translation")
    longest = max(len(source), len(target))
    if longest > MOST_TOKENS:
        raise InputError(f"{longest:,} tokens cannot be traced, only up to {MOST_TOKENS}: shorten the text")
    size = model.parameters.flat.size
    if size > MOST_PARAMETERS:
        raise InputError(f"the model has {size:,} parameters; a page can show up to {MOST_PARAMETERS:,}")
    model = model.quantised()
    exact = Transformer(model.config, dtype="float64", initialise=False)
    exact.parameters.flat[...] = model.parameters.flat
    pair = np.array([source]), np.array([[model.config.bos_id, *target]])
    loss, steps = trace_steps(exact, *pair)
    view = trace_view(
        text=text,
        translation=translation,
        source=source_tokens,
        target=[b"<bos>", *target_tokens[:-1]],
        loss=loss,
        steps=steps,
        probed=dict(probe(exact, *pair, steps)) if oracle else {},
    )
    return Template(asset("trace.html")).substitute(
        style="\n".join(map(asset, STYLES)), scripts="\n".join(map(asset, SCRIPTS)), data=as_json(view)
    )
