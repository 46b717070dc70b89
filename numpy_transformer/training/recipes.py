"""The options that suit a model and a corpus: below what a --config file or the command line says."""

from collections.abc import Mapping
from typing import Any

from numpy_transformer.training.paper_recipe import WMT14
from numpy_transformer.training.sound_options import SOUND_RECIPES
from numpy_transformer.training.tree_options import tree_recipe

# Going on from a trained model: a low rate, which rises quickly, and a look every few steps. The rate's peak is 0.0003
# at width 256, 0.0002 at 512.
FINE_TUNING: dict[str, Any] = {"epochs": 10, "batch_tokens": 1024, "warmup": 100, "rate_scale": 0.05}
FINE_TUNING |= {"evaluate_every": 100}
# The same for a model of one stack, beside its own recipe: half its peak of the rate.
GOING_ON: dict[str, Any] = {"warmup": 100, "rate_scale": 0.25}

# By corpus, for a translator.
RECIPES: dict[str, dict[str, Any]] = {
    # A few minutes on a laptop. Generated sentences are clean and plentiful: little regularisation, a quick warmup.
    "phrasebook": {
        "minutes": 4.6,
        "vocabulary": 4000,
        "batch_tokens": 960,
        "warmup": 400,
        "rate_scale": 0.5,
        "dropout": 0.0,
        "label_smoothing": 0.05,
        "evaluate_every": 200,
        "average": 5,
    },
    # 29,000 real sentences. Size, dropout and peak rate follow Wu et al. (2021), who found them best for Multi30k.
    "multi30k": {
        "epochs": 50,
        "vocabulary": 8000,
        "batch_tokens": 4096,
        "warmup": 1500,
        "rate_scale": 1.25,
        "dropout": 0.3,
        "evaluate_every": 140,
        "average": 10,
    },
    "wmt14": WMT14,
    **SOUND_RECIPES,
}

# The same for the models of one stack, by model and corpus; None: any other text.
ONE_STACK_RECIPES: dict[tuple[str, str | None], dict[str, Any]] = {
    ("decoder", "shakespeare"): {
        "minutes": 4.6,
        "units": "characters",
        "context": 128,
        "batch_tokens": 4096,
        "d_ff": 512,
        "norm": "pre",
        "dropout": 0.05,
        "label_smoothing": 0.0,
        "warmup": 200,
        "rate_scale": 0.8,
        "evaluate_every": 100,
    },
    ("decoder", "phrasebook"): {
        "minutes": 3.0,
        "vocabulary": 2000,
        "context": 64,
        "batch_tokens": 2048,
        "norm": "pre",
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "warmup": 200,
        "rate_scale": 0.7,
        "evaluate_every": 200,
    },
    ("decoder", None): {
        "vocabulary": 2000,
        "batch_tokens": 2048,
        "norm": "pre",
        "label_smoothing": 0.0,
        "warmup": 200,
        "rate_scale": 0.7,
        "evaluate_every": 200,
    },
    ("encoder", "phrasebook"): {
        "minutes": 4.6,
        "vocabulary": 2000,
        "batch_tokens": 2048,
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "warmup": 400,
        "rate_scale": 0.7,
        "evaluate_every": 200,
    },
    ("encoder", None): {
        "vocabulary": 2000,
        "batch_tokens": 2048,
        "warmup": 300,
        "rate_scale": 0.5,
        "evaluate_every": 200,
    },
}

# Classes of a few thousand short texts, such as TREC's questions; chosen on a tenth of TREC's training set.
CLASSIFYING: dict[str, Any] = {
    "layers": 2,
    "epochs": 25,
    "vocabulary": 4000,
    "batch_tokens": 1024,
    "warmup": 100,
    "rate_scale": 0.12,
    "dropout": 0.3,
    "bpe_dropout": 0.1,
    "evaluate_every": 200,
}


def recipe_for(given: Mapping[str, Any], *, data: str, model: str) -> dict[str, Any]:
    """What suits the options that are `given`; `data` and `model` are the defaults of these two.

    For a translator of the user's own text, own_text.py chooses what is still open, when its size is known.
    """
    default = model
    data, model = given.get("data", data), given.get("model", model)
    recipe = RECIPES.get(data, {}) if isinstance(data, str) else {}
    if model == default and given.get("task") in (None, "parse"):
        recipe = tree_recipe(data, given.get("data_dir")) or recipe
    goes_on = given.get("from_model") is not None
    if model == "encoder" and given.get("task") == "classify":
        sized = goes_on or "preset" in given
        recipe = {name: value for name, value in CLASSIFYING.items() if not (sized and name == "layers")}
    elif model in ("encoder", "decoder"):
        recipe = ONE_STACK_RECIPES[model, data if (model, data) in ONE_STACK_RECIPES else None]
        recipe = {**recipe, **GOING_ON} if goes_on else recipe
    elif goes_on:
        recipe = FINE_TUNING if model == default else {**recipe, **GOING_ON}
    if given.keys() & {"steps", "epochs", "minutes"}:  # an end that the user chose replaces the recipe's
        recipe = {name: value for name, value in recipe.items() if name not in ("steps", "epochs", "minutes")}
    return recipe
