"""The trained model that a run goes on from, whose tokenizer and configuration are taken over (--from): fine-tuning.

The optimizer begins anew, and the learning rate is low
(options.FINE_TUNING): a high one would undo in a few steps what the model knows. Dropout is the model's own unless
another is asked for.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.models.config import PRESETS, TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.run_files import RunFiles
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.translation.loading import load_model, load_tokenizer
from numpy_transformer.translation.token_ids import ModelTokenizer


def base_config(options: TrainingOptions, base: Transformer) -> TransformerConfig:
    """The configuration of the model that a run goes on from, with the run's dropout."""
    return base.config.replace(dropout=options.dropout, attention_dropout=options.attention_dropout)


class BaseModel(NamedTuple):
    """A trained model, and the options of a run that goes on from it."""

    model: Transformer  # on the CPU
    tokenizer: ModelTokenizer
    options: TrainingOptions


def load_base(options: TrainingOptions, given: Mapping[str, Any]) -> BaseModel:
    """Open the model that `options.from_model` names: a run, a checkpoint, a shipped model, a Marian folder.

    `given` are the options that the user gave. Raises InputError if one of them asks for another model or vocabulary
    than this one, or the model cannot be opened.
    """
    name = str(options.from_model)
    model, tokenizer = load_model(name)
    config = model.config
    if "vocabulary" in given and options.vocabulary != config.vocabulary_size:
        raise InputError(
            f"--vocabulary {options.vocabulary}: {name} has {config.vocabulary_size:,} tokens, which are taken over: "
            "leave --vocabulary out"
        )
    if "preset" in given and not _has_size(config, PRESETS[options.preset]):
        raise InputError(
            f"--preset {options.preset}: {name} is {size_of(config)}, which is taken over: leave --preset out"
        )
    if "norm" in given and options.norm != config.norm:
        raise InputError(f"--norm {options.norm}: {name} has {config.norm}-norm, which is taken over: leave --norm out")
    taken: dict[str, Any] = {
        "vocabulary": config.vocabulary_size,
        "preset": next((preset for preset, sizes in PRESETS.items() if _has_size(config, sizes)), options.preset),
        "norm": config.norm,
        "dropout": options.dropout if "dropout" in given else config.dropout,
        "attention_dropout": options.attention_dropout if "attention_dropout" in given else config.attention_dropout,
    }
    return BaseModel(model, tokenizer, dataclasses.replace(options, **taken))


def save_tokenizer(tokenizer: ModelTokenizer, folder: RunFiles) -> None:
    """Into the run's folder; a Marian model's tokenizer is several files."""
    tokenizer.save(folder.path if isinstance(tokenizer, MarianTokenizer) else folder.tokenizer_file)


def read_taken_over(folder: RunFolder) -> ModelTokenizer:
    """The tokenizer of a run that went on from another model. Raises InputError if a file is missing or damaged."""
    return load_tokenizer(folder.path, folder.read_model_config()) or folder.read_tokenizer()


def size_of(config: TransformerConfig) -> str:
    """What a model is called by its size: a preset's name, or its sizes.

    >>> size_of(TransformerConfig.preset("small", vocabulary_size=100))
    'small'
    """
    for name, sizes in PRESETS.items():
        if _has_size(config, sizes):
            return name
    return f"{config.encoder_layers} + {config.decoder_layers} layers of width {config.d_model} ({config.d_ff})"


def _has_size(config: TransformerConfig, sizes: Mapping[str, Any]) -> bool:
    return all(getattr(config, name) == value for name, value in sizes.items())
