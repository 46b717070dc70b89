"""What --data names as trees, and how a parser is trained unless the user says otherwise."""

from pathlib import Path
from typing import Any

from numpy_transformer.data.treebank import PHRASEBOOK_TREES, is_treebank, treebank_in

PARSE = "parse"

# Generated sentences are clean and plentiful: a small model, and little regularisation.
PHRASEBOOK_RECIPE: dict[str, Any] = {
    "task": PARSE,
    "minutes": 1.8,
    "layers": 2,
    "vocabulary": 2000,
    "batch_tokens": 2048,
    "warmup": 200,
    "rate_scale": 0.7,
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "norm": "pre",
    "evaluate_every": 100,
}
# A treebank is small beside what a parser should know: strong regularisation, and constituents that exchange places.
# docs/parsing.md says how these were chosen.
TREEBANK_RECIPE: dict[str, Any] = {
    "task": PARSE,
    "epochs": 40,
    "vocabulary": 3000,
    "batch_tokens": 2048,
    "max_length": 300,
    "warmup": 600,
    "rate_scale": 0.8,
    "dropout": 0.2,
    "norm": "pre",
    "exchange": 0.1,
    "evaluate_every": 300,
    "average": 5,
}


def tree_recipe(data: Any, data_dir: Any) -> dict[str, Any] | None:
    """The options that suit the trees which --data names; None if it names none."""
    if not isinstance(data, str):
        return None
    if data == PHRASEBOOK_TREES:
        return PHRASEBOOK_RECIPE
    folder = Path(data_dir if isinstance(data_dir, str) else "", data.replace("\0", ""))
    return TREEBANK_RECIPE if is_treebank(data) or treebank_in(folder, "train") is not None else None
