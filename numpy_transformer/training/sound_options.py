"""What a run on sounds is told: which data are sounds, and options that suit them (options.py has all others)."""

from typing import Any

from numpy_transformer.errors import InputError

SOUND_RECIPES: dict[str, dict[str, Any]] = {
    # Generated tones are without end: nothing to regularise. Under two minutes on two cores.
    "tones": {
        "model": "sound",
        "steps": 1200,
        "vocabulary": 271,
        "layers": 2,
        "norm": "pre",
        "batch_tokens": 2048,
        "dropout": 0.0,
        "label_smoothing": 0.05,
        "warmup": 200,
        "rate_scale": 0.5,
        "evaluate_every": 160,
    },
    # 2,400 recordings are few: what keeps the model from knowing them by heart is augmentation and dropout.
    "spoken-digits": {
        "model": "sound",
        "steps": 2800,
        "vocabulary": 300,
        "norm": "pre",
        "batch_tokens": 2048,
        "dropout": 0.1,
        "warmup": 400,
        "rate_scale": 0.7,
        "evaluate_every": 200,
    },
}


def check_sound(data: str, model: str, leave_out: str | None, from_model: str | None) -> None:
    """Raises InputError for options that sounds, or other data, cannot have."""
    hears = model == "sound"
    names = " or ".join(SOUND_RECIPES)
    if data in SOUND_RECIPES and (not hears or from_model is not None):
        raise InputError(f"--data {data} is sound, which a model of its own learns: leave --model and --from out")
    if hears and data not in SOUND_RECIPES:
        raise InputError(f"--model sound hears --data {names}, not {data}")
    if leave_out is not None and data != "spoken-digits":
        raise InputError(f"--leave-out {leave_out}: only --data spoken-digits has speakers")
