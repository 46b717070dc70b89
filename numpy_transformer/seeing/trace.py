"""The trace page: one sentence through every array of the model, forward and back, in one file."""

from pathlib import Path
from string import Template

import numpy as np

from numpy_transformer.errors import InputError
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.seeing.page import as_json, asset
from numpy_transformer.seeing.probing import probe
from numpy_transformer.seeing.trace_view import trace_steps, trace_view
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.translation.token_ids import encode_texts
from numpy_transformer.translation.translator import Translator

STYLES = ("seeing.css", "trace.css")
SCRIPTS = ("dom.js", "trace.js")  # in this order
MOST_TOKENS = 64  # of the source or of the target
MOST_PARAMETERS = 20_000_000  # a larger model would take minutes and much memory


def check_trace_format(path: str | Path) -> None:
    """Raises InputError unless `path` ends with .html."""
    if Path(path).suffix.lower() != ".html":
        raise InputError(f"{path}: a trace is a page: give a name that ends with .html")


def save_trace(path: str | Path, translator: Translator, text: str, target: str, *, oracle: bool = True) -> None:
    """Write the page for a sentence and the target that its loss compares it with.

    The arrays are those of one training step on this pair alone, in float64, without dropout. With `oracle`, the
    largest entry of each gradient stands beside the complex step's value, which takes a forward for each (some seconds
    in all). The file appears complete or not at all.

    Raises InputError for another ending, a blank or too long sentence or a model that is too large, or if the file
    cannot be written.
    """
    check_trace_format(path)
    eos = translator.model.config.eos_id
    [source] = encode_texts([text], translator.tokenizer, eos_id=eos)
    [ids] = encode_texts([target], translator.target_tokenizer, eos_id=eos)
    if not source or not ids:
        raise InputError("a blank text cannot be traced: give a sentence and its translation")
    longest = max(len(source), len(ids))
    if longest > MOST_TOKENS:
        raise InputError(
            f"a sentence of {longest:,} tokens cannot be traced, only up to {MOST_TOKENS}: shorten the text"
        )
    size = translator.model.parameters.flat.size
    if size > MOST_PARAMETERS:
        raise InputError(f"the model has {size:,} parameters; a page can show up to {MOST_PARAMETERS:,}")
    model = Transformer(translator.model.config, dtype="float64", initialise=False)
    model.parameters.flat[...] = translator.model.parameters.flat
    before_target = [model.config.bos_id, *ids]
    pair = np.array([source]), np.array([before_target])
    loss, steps = trace_steps(model, *pair)
    vocabulary, target_vocabulary = translator.tokenizer.vocabulary, translator.target_tokenizer.vocabulary
    view = trace_view(
        text=text,
        translation=target,
        source=[vocabulary[token] for token in source],
        target=[target_vocabulary[token] for token in before_target[:-1]],
        loss=loss,
        steps=steps,
        probed=dict(probe(model, *pair, steps)) if oracle else {},
    )
    page = Template(asset("trace.html")).substitute(
        style="\n".join(map(asset, STYLES)), scripts="\n".join(map(asset, SCRIPTS)), data=as_json(view)
    )
    with atomic_write(path) as file:
        file.write(page.encode("utf-8"))
