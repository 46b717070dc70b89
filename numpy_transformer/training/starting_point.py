"""The trained model that a run goes on from, whose tokenizer and configuration are taken over (--from): fine-tuning.

The optimizer begins anew, and the learning rate is low
(recipes.FINE_TUNING): a high one would undo in a few steps what the model knows. Dropout is the model's own unless
another is asked for.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.formats.wordpiece import WordPieceTokenizer
from numpy_transformer.models.config import PRESETS, TransformerConfig
from numpy_transformer.models.model import Model
from numpy_transformer.storage.run_files import RunFiles
from numpy_transformer.tasks.opening import open_encoder, open_language_model
from numpy_transformer.training.options import TrainingOptions, option_name
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.translation.loading import load_model, load_tokenizer
from numpy_transformer.translation.token_ids import ModelTokenizer

OPENERS: dict[str, Callable[[str], tuple[Any, Any]]] = {  # by --model
    "encoder-decoder": load_model,
    "decoder": open_language_model,
    "encoder": open_encoder,
}
# Options that say how the model is made, and what they say in a configuration of a model of one stack.
TAKEN_OVER = ("norm", "activation", "positions", "d_model", "d_ff", "heads", "layers")


def base_config(options: TrainingOptions, base: Model[Any]) -> TransformerConfig:
    """The configuration of the model that a run goes on from, with the run's dropout, consistency and weights."""
    names = ("dropout", "attention_dropout", "consistency", "weights")
    return base.config.replace(**{name: getattr(options, name) for name in names})


def starting_values(base: Model[Any], model: Model[Any]) -> Mapping[str, Array]:
    """Every parameter of `model` by its name, as host arrays: those of `base`.

    A classifier that `base` lacks, or that it has for other labels, keeps its own fresh values.
    """
    values = base.host_tensors()
    if base.config.labels == model.config.labels:
        return values
    fresh = {name: tensor for name, tensor in model.host_tensors().items() if name.startswith("classifier.")}
    return {**values, **fresh}


class BaseModel(NamedTuple):
    """A trained model, and the options of a run that goes on from it."""

    model: Model[Any]  # on the CPU
    tokenizer: Any
    options: TrainingOptions


def load_base(options: TrainingOptions, given: Mapping[str, Any]) -> BaseModel:
    """Open the model that `options.from_model` names: a run, a checkpoint, a shipped model, a folder of Marian's.

    For models of one stack also a folder of GPT-2 or BERT. `given` are the options that the user gave. Raises
    InputError if one of them asks for another model or vocabulary than this one, or the model cannot be opened.
    """
    name = str(options.from_model)
    model, tokenizer = OPENERS[options.model](name)
    config = model.config
    if "vocabulary" in given and options.vocabulary != config.vocabulary_size:
        raise InputError(
            f"--vocabulary {options.vocabulary}: {name} has {config.vocabulary_size:,} tokens, which are taken over: "
            "leave --vocabulary out"
        )
    if "preset" in given and not _has_size(config, PRESETS[options.preset]):
        found = size_of(config, kind=options.model)
        raise InputError(f"--preset {options.preset}: {name} is {found}, which is taken over: leave --preset out")
    sizes = {"layers": config.decoder_layers if options.model == "decoder" else config.encoder_layers}
    for field in TAKEN_OVER:
        asked, found = getattr(options, field), sizes.get(field) or getattr(config, field)
        if field in given and asked != found:
            option = option_name(field)
            raise InputError(f"{option} {asked}: {name} has {option} {found}, which is taken over: leave {option} out")
    if "weights" in given and options.weights == "float" and config.weights == "ternary":
        raise InputError(
            f"--weights float: {name} has ternary weights, which are taken over: leave --weights out, or go on from "
            "its export (python -m numpy_transformer.export --to ternary), whose weights are float numbers"
        )
    has_merges = not isinstance(tokenizer, MarianTokenizer | WordPieceTokenizer)
    if options.bpe_dropout and "bpe_dropout" in given and not has_merges:
        kind = "SentencePiece" if isinstance(tokenizer, MarianTokenizer) else "WordPiece"
        raise InputError(
            f"--bpe-dropout {options.bpe_dropout}: {name} has a {kind} vocabulary, whose tokens are not made by "
            "merges: leave --bpe-dropout out"
        )
    taken: dict[str, Any] = {
        **{field: getattr(config, field) for field in ("norm", "activation", "positions")},
        "vocabulary": config.vocabulary_size,
        "preset": next((preset for preset, sizes in PRESETS.items() if _has_size(config, sizes)), options.preset),
        "weights": options.weights if "weights" in given else config.weights,
        "bpe_dropout": options.bpe_dropout if has_merges else 0.0,
        "dropout": options.dropout if "dropout" in given else config.dropout,
        "attention_dropout": options.attention_dropout if "attention_dropout" in given else config.attention_dropout,
    }
    return BaseModel(model, tokenizer, dataclasses.replace(options, **taken))


def save_tokenizer(tokenizer: ModelTokenizer | WordPieceTokenizer, folder: RunFiles) -> None:
    """Into the run's folder; an imported model's tokenizer is several files."""
    several = isinstance(tokenizer, MarianTokenizer | WordPieceTokenizer)
    tokenizer.save(folder.path if several else folder.tokenizer_file)


def read_taken_over(folder: RunFolder) -> Any:
    """The tokenizer of a run that went on from another model. Raises InputError if a file is missing or damaged."""
    if (folder.path / "vocab.txt").is_file():
        return WordPieceTokenizer.load(folder.path)
    return load_tokenizer(folder.path, folder.read_model_config()) or folder.read_tokenizer()


def size_of(config: TransformerConfig, *, kind: str = "encoder-decoder") -> str:
    """What a model of a kind (--model) is called by its size: a preset's name, or its sizes.

    >>> size_of(TransformerConfig.preset("small", vocabulary_size=100))
    'small'
    """
    for name, sizes in PRESETS.items():
        if _has_size(config, sizes):
            return name
    stacks = {"decoder": (config.decoder_layers,), "encoder": (config.encoder_layers,)}
    layers = " + ".join(map(str, stacks.get(kind, (config.encoder_layers, config.decoder_layers))))
    return f"{layers} layers of width {config.d_model} ({config.d_ff})"


def _has_size(config: TransformerConfig, sizes: Mapping[str, Any]) -> bool:
    return all(getattr(config, name) == value for name, value in sizes.items())
