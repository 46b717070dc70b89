"""Everything a training run can be told: one frozen record, and its files."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bpe.files import read_at_most
from numpy_transformer.backend.precision import PRECISIONS
from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.errors import InputError
from numpy_transformer.layers.activation import ACTIVATIONS
from numpy_transformer.layers.ternary import WEIGHTS
from numpy_transformer.models.config import PRESETS
from numpy_transformer.training.recipes import recipe_for
from numpy_transformer.training.sound_options import check_sound

LESS_MEMORY = (
    "lower --batch-tokens (and raise --accumulate as much), --max-length or --workers, add --recompute, or choose a "
    "smaller --preset or --vocabulary"
)
TASKS = {  # by model; the first is the default
    "encoder-decoder": ("translate", "parse"),
    "decoder": ("complete",),
    "encoder": ("masked-words", "classify"),
    "sound": ("transcribe",),  # --data tones or spoken-digits
}
UNITS = ("bytes", "characters", "bpe")
CHOICES: dict[str, Any] = {"model": TASKS, "preset": PRESETS, "units": UNITS, "activation": ACTIVATIONS}
CHOICES |= {"weights": WEIGHTS, "precision": PRECISIONS, "norm": ("post", "pre"), "pooling": ("first", "mean")}
CHOICES |= {"positions": ("sinusoidal", "learned"), "device": ("cpu", "gpu")}
LONGEST_CONTEXT = 4096  # tokens; time and memory of attention grow with the square
MOST_WORKERS = 1024  # each is a thread with a gradient buffer of its own
MOST_BATCHES = 10_000  # of one update: they are gathered before its first one
LARGEST_NUMBER = 10**15  # no run has as many of anything; every whole number below is exact as a float, too
LONGEST_FILE = 1 << 20  # bytes of options


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of train.py, by the same names. Raises InputError, naming the option, for impossible values.

    A run ends at the first of `steps`, `epochs`, `minutes` that is set and reached. One step is one update of the
    parameters, made from `accumulate` batches of about `batch_tokens` target tokens each.

    `model` is "encoder-decoder", whose `task` is "translate" or "parse", "sound", which transcribes, "decoder", which
    completes, or "encoder", whose task is "masked-words" or "classify". `layers`, `d_model`, `d_ff` and `heads` replace
    the preset's.
    """

    data: str = "phrasebook"
    source: str = "en"
    target: str = "de"
    data_dir: str | None = None
    validation: str | None = None
    leave_out: str | None = None
    from_model: str | None = None
    freeze: str | None = None
    model: str = "encoder-decoder"
    task: str | None = None
    units: str = "bpe"
    context: int = 128
    preset: str = "tiny"
    layers: int | None = None
    d_model: int | None = None
    d_ff: int | None = None
    heads: int | None = None
    positions: str = "sinusoidal"
    activation: str = "relu"
    pooling: str = "mean"
    norm: str = "post"
    weights: str = "float"
    vocabulary: int = 8000
    dropout: float = 0.1
    attention_dropout: float = 0.0
    bpe_dropout: float = 0.0
    consistency: float = 0.0
    label_smoothing: float = 0.1
    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    batch_tokens: int = 4096
    accumulate: int = 1
    max_length: int = 256
    warmup: int = 4000
    rate_scale: float = 1.0
    clip: float | None = None
    average: int = 5
    evaluate_every: int = 500
    patience: int | None = None
    exchange: float = 0.0
    tokenised: bool = False
    ter: bool = False
    seed: int = 0
    workers: int | None = None
    device: str = "cpu"
    precision: str = "float32"
    recompute: bool = False
    philox: bool = False

    def __post_init__(self) -> None:
        def require(name: str, condition: bool, what: str) -> None:
            if not condition:
                option = option_name(name)
                raise InputError(f"{option} is {getattr(self, name)!r}; it must be {what}")

        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not _fits(value, field.type):
                require(field.name, False, _KINDS[field.type])
            if isinstance(value, str):
                require(field.name, "\0" not in value, "text without the character NUL")
            elif isinstance(value, int):
                require(field.name, value <= LARGEST_NUMBER, f"at most {LARGEST_NUMBER:,}")
        for name in ("steps", "epochs", "patience", "workers", "layers", "d_model", "d_ff", "heads"):
            value = getattr(self, name)
            require(name, value is None or value >= 1, "at least 1")
        require("workers", self.workers is None or self.workers <= MOST_WORKERS, f"at most {MOST_WORKERS}")
        for name in ("accumulate", "warmup", "evaluate_every", "average"):
            require(name, getattr(self, name) >= 1, "at least 1")
        require("accumulate", self.accumulate <= MOST_BATCHES, f"at most {MOST_BATCHES:,}")
        require("warmup", self.warmup <= 10**9, "at most 1,000,000,000")
        for name in ("minutes", "clip"):
            value = getattr(self, name)
            require(name, value is None or value > 0, "above 0")
        for name in ("dropout", "attention_dropout", "bpe_dropout", "exchange"):
            require(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        require("label_smoothing", 0 <= self.label_smoothing <= 1, "between 0 and 1")
        masked = self.dropout + self.attention_dropout > 0  # else both passes are the same
        require("consistency", self.consistency == 0 or (self.consistency > 0 and masked), "0, or above 0 with dropout")
        require("rate_scale", self.rate_scale > 0, "above 0")
        require("seed", self.seed >= 0, "0 or a positive whole number")
        require("batch_tokens", self.batch_tokens >= 16, "at least 16 (the recommended size is about 4096)")
        require("max_length", 2 <= self.max_length <= LONGEST_SOURCE, f"between 2 and {LONGEST_SOURCE}")
        for name, choices in CHOICES.items():
            what = " or ".join(choices) if len(choices) == 2 else f"one of {', '.join(choices)}"
            require(name, getattr(self, name) in choices, what)
        tasks = TASKS[self.model]
        require("task", self.task in (None, *tasks), f"left out, or {' or '.join(tasks)}, with --model {self.model}")
        require("units", self.units == "bpe" or self.model == "decoder", "bpe, unless with --model decoder")
        require("context", 2 <= self.context <= LONGEST_CONTEXT, f"between 2 and {LONGEST_CONTEXT}")
        one_stack = self.model in ("encoder", "decoder")
        require("positions", one_stack or self.positions == "sinusoidal", "sinusoidal, unless with another --model")
        can_drop = self.learns in ("translate", "masked-words", "classify")
        require("bpe_dropout", not self.bpe_dropout or can_drop, "0, unless of a translator or an encoder")
        require("consistency", not (self.consistency and one_stack), "0, with a model of one stack")
        if self.from_model is None:  # another model's vocabulary may lack bytes
            require("vocabulary", self.vocabulary >= 256 + 3, "at least 259: 256 bytes and pad, bos, eos")
        require("precision", self.precision == "float32" or self.device == "gpu", "float32 unless with --device gpu")
        check_sound(self.data, self.model, self.leave_out, self.from_model)
        if self.steps is None and self.epochs is None and self.minutes is None:
            object.__setattr__(self, "epochs", 20)

    @property
    def learns(self) -> str:
        """What the model learns: "translate", "parse", "transcribe", "complete", "masked-words" or "classify"."""
        return self.task or TASKS[self.model][0]

    @classmethod
    def for_data(cls, given: Mapping[str, Any]) -> Self:
        """The options `given`, completed by the recipe of model and corpus, completed by the defaults.

        For a translator of the user's own text, own_text.py chooses what is still open, when its size is known.
        """
        return cls(**{**recipe_for(given, data=cls.data, model=cls.model), **given})

    def to_dict(self) -> dict[str, Any]:
        """The options by name, as plain values."""
        return dataclasses.asdict(self)


def option_name(field: str) -> str:
    """What a field is called on the command line."""
    return "--from" if field == "from_model" else "--" + field.replace("_", "-")


_NAMES: dict[Any, str] = {str: "text", int: "a whole number", float: "a finite number", bool: "true or false"}
_KINDS = {kind: name for plain, name in _NAMES.items() for kind in (plain, plain | None)}


def _fits(value: object, kind: Any) -> bool:
    if value is None:
        return kind in (str | None, int | None, float | None)
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind in (float, float | None):
        return isinstance(value, int | float) and value == value and abs(value) != float("inf")
    return isinstance(value, str if kind in (str, str | None) else int)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Options from a TOML file, `name = value` by the names of train.py's options (dashes or underscores).

    Raises InputError naming the file and the line or the option at fault.
    """
    try:
        values = tomllib.loads(read_at_most(path, LONGEST_FILE).decode("utf-8"))
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also what is not UTF-8
        raise InputError(f"--config {path}: not TOML: {error}") from None
    values = {name.replace("-", "_"): value for name, value in values.items()}
    if "from" in values:  # the option's name; in Python the word is taken
        values["from_model"] = values.pop("from")
    known = {field.name for field in dataclasses.fields(TrainingOptions)}
    for name in values.keys() - known:
        raise InputError(f"--config {path}: unknown option {name!r}; known are {', '.join(sorted(known))}")
    return values


def options_from_dict(values: object, path: str | Path) -> TrainingOptions:
    """The inverse of `to_dict`, for options read from a run's config.json at `path`."""
    known = {field.name for field in dataclasses.fields(TrainingOptions)}
    if not isinstance(values, dict) or not values.keys() <= known:
        raise InputError(f"{path} holds no training options; it was not written by this program")
    try:
        return TrainingOptions(**values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
