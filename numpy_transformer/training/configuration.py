"""From a run's options to the model's configuration."""

from typing import Any

from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.translation.token_ids import ModelTokenizer


def make_config(options: TrainingOptions, tokenizer: ModelTokenizer, **more: Any) -> TransformerConfig:
    """The model that the options ask for, over the tokenizer's vocabulary; `more` fields are those of its task."""
    sizes = {"encoder_layers": options.layers, "decoder_layers": options.layers}
    sizes |= {name: getattr(options, name) for name in ("d_model", "d_ff", "heads")}
    return TransformerConfig.preset(options.preset, vocabulary_size=len(tokenizer)).replace(
        dropout=options.dropout,
        attention_dropout=options.attention_dropout,
        consistency=options.consistency,
        norm=options.norm,
        activation=options.activation,
        weights=options.weights,
        **{name: value for name, value in sizes.items() if value is not None},
        **more,
    )
