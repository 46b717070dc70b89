"""What --data names as trees, and how a parser is trained unless the user says otherwise."""

from pathlib import Path
from typing import Any

from numpy_transformer.data.treebank import PHRASEBOOK_TREES, is_treebank, treebank_in

PARSE = "parse"

# Generated sentences are clean and plentiful: a small model, and no regularisation.
PHRASEBOOK_RECIPE: dict[str, Any] = {
    "task": PARSE,
    "minutes": 4.6,
    "layers": 2,
    "vocabulary": 2000,
    "batch_tokens": 1024,
    "warmup": 300,
    "rate_scale": 0.6,
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "norm": "pre",
    "evaluate_every": 250,
}
# A treebank is small beside what a parser should know: regularisation, and constituents that exchange places.
TREEBANK_RECIPE: dict[str, Any] = {
    "task": PARSE,
    "epochs": 31,
    "layers": 3,
    "vocabulary": 3000,
    "batch_tokens": 1024,
    "max_length": 300,
    "warmup": 400,
    "rate_scale": 0.5,
    "dropout": 0.15,
    "norm": "pre",
    "exchange": 0.1,
    "evaluate_every": 600,
    "average": 8,
}


def tree_recipe(data: Any, data_dir: Any) -> dict[str, Any] | None:
    """The options that suit the trees which --data names; None if it names none."""
    if not isinstance(data, str):
        return None
    if data == PHRASEBOOK_TREES:
        return PHRASEBOOK_RECIPE
    folder = Path(data_dir if isinstance(data_dir, str) else "", data.replace("\0", ""))
    return TREEBANK_RECIPE if is_treebank(data) or treebank_in(folder, "train") is not None else None
