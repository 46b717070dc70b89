"""The sizes and options that define one Transformer, validated once and never changed afterwards."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, Self

from numpy_transformer.errors import InputError
from numpy_transformer.layers.activation import ACTIVATIONS
from numpy_transformer.layers.layer_norm import EPSILON
from numpy_transformer.layers.ternary import WEIGHTS

NO_PADDING = -1  # a pad_id for vocabularies without such a token

# Layers (encoder = decoder), d_model, d_ff, heads. "base" and "big" are Table 3 of the paper; "tiny" is the size
# that Wu et al. (2021) found best for Multi30k.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"encoder_layers": 4, "decoder_layers": 4, "d_model": 128, "d_ff": 256, "heads": 4},
    "small": {"encoder_layers": 3, "decoder_layers": 3, "d_model": 256, "d_ff": 1024, "heads": 4},
    "base": {"encoder_layers": 6, "decoder_layers": 6, "d_model": 512, "d_ff": 2048, "heads": 8},
    "big": {"encoder_layers": 6, "decoder_layers": 6, "d_model": 1024, "d_ff": 4096, "heads": 16},
}


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """The architecture of one model.

    Sizes keep the paper's names: `d_model` (D in shape comments), `d_ff` (F), `heads` (H), `vocabulary_size` (V).

    `norm` is "post" for LayerNorm(x + Sublayer(x)), as the paper writes it in section 3.1, or "pre" for
    x + Sublayer(LayerNorm(x)), which also adds a final norm after each stack. `dropout` is applied where section
    5.4 says: to the output of every sub-layer and to the sums of embeddings and positions. `attention_dropout`, on
    the attention weights, is not in the paper's text (its published code has it) and is off by default. `consistency`,
    a Transformer's alone, is the weight A of R-Drop's term in training (consistency.py); 0 is off.

    The other options are not the paper's. Imported models need them (formats/): `activation` inside the feed-forward
    layers may be "swish", "gelu" or "gelu_tanh" (activation.py), and `output_bias` adds a bias to the logits. Marian
    models also begin a translation with pad: bos_id may be pad_id; its embedding is then a constant for the decoder,
    with no gradient there (`constant_start`). GPT-2 has no padding, pad_id -1, and one token that begins and ends a
    text.

    A model of one stack, LanguageModel or Encoder, is as deep as `decoder_layers` or `encoder_layers`, and has more of
    them. `context` is the longest text it reads, None for any length. `positions` may be "learned": `context` vectors,
    an embedding that is not scaled, and with post-norm a norm after it (as in BERT). `token_types` (BERT's segments) is
    how many kinds of tokens have a vector of their own, `norm_epsilon` is layer norm's, and `labels` names the classes
    of a classifier, which looks at the "first" vector of a text or at the "mean" of all (`pooling`).

    `weights` are "float", or "ternary": -1, 0 and 1 times a scale in all matrices of attention and feed-forward
    (layers/ternary.py). The source of a SoundTransformer is a sequence of vectors of `source_features` numbers; 0: a
    sequence of tokens.

    Raises InputError, naming the field and what it may be, for any value that cannot work.
    """

    vocabulary_size: int
    encoder_layers: int = 6
    decoder_layers: int = 6
    d_model: int = 512
    d_ff: int = 2048
    heads: int = 8
    dropout: float = 0.1
    attention_dropout: float = 0.0
    consistency: float = 0.0
    norm: str = "post"
    activation: str = "relu"
    output_bias: bool = False
    constant_start: bool = False
    positions: str = "sinusoidal"
    context: int | None = None
    token_types: int = 0
    norm_epsilon: float = EPSILON
    labels: tuple[str, ...] = ()
    pooling: str = "first"
    weights: str = "float"
    source_features: int = 0
    pad_id: int = 0
    bos_id: int = 1
    eos_id: int = 2

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "encoder_layers", "decoder_layers", "d_model", "d_ff", "heads"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} is {value!r}; it must be a whole number of at least 1")
        if self.d_model % self.heads:
            raise InputError(
                f"heads ({self.heads}) must divide d_model ({self.d_model}), since each head gets an equal share"
            )
        if self.d_model % 2:
            raise InputError(f"d_model is {self.d_model}; it must be even, since positions pair a sine with a cosine")
        for name in ("dropout", "attention_dropout"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
                raise InputError(f"{name} is {value!r}; it must be at least 0 and below 1")
        weight = self.consistency
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight < math.inf:
            raise InputError(f"consistency is {weight!r}; it must be 0 or a positive number")
        if self.norm not in ("post", "pre"):
            raise InputError(f'norm is {self.norm!r}; it must be "post" (the paper) or "pre"')
        if self.activation not in ACTIVATIONS:
            others = ", ".join(name for name in ACTIVATIONS if name != "relu")
            raise InputError(f'activation is {self.activation!r}; it must be "relu" (the paper) or one of {others}')
        if self.weights not in WEIGHTS:
            raise InputError(f'weights is {self.weights!r}; it must be "float" or "ternary"')
        if not isinstance(self.source_features, int) or self.source_features < 0:
            raise InputError(f"source_features is {self.source_features!r}; it must be 0 or a positive whole number")
        for name in ("output_bias", "constant_start"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} is {getattr(self, name)!r}; it must be true or false")
        self._check_one_stack()
        ids = (self.pad_id, self.bos_id, self.eos_id)
        needed = ids if self.pad_id != NO_PADDING else ids[1:]
        known = all(isinstance(i, int) and 0 <= i < self.vocabulary_size for i in needed)
        if not known or (self.eos_id in (self.pad_id, self.bos_id) and self.pad_id != NO_PADDING):
            raise InputError(
                f"pad_id, bos_id, eos_id are {ids}; they must be ids below vocabulary_size ({self.vocabulary_size}), "
                "and eos_id must differ from the others"
            )

    def _check_one_stack(self) -> None:
        """The options that only a model of one stack has."""
        object.__setattr__(self, "labels", tuple(self.labels))
        if self.positions not in ("sinusoidal", "learned"):
            raise InputError(f'positions is {self.positions!r}; it must be "sinusoidal" (the paper) or "learned"')
        if self.context is not None and (not isinstance(self.context, int) or self.context < 1):
            raise InputError(f"context is {self.context!r}; it must be a whole number of at least 1")
        if self.positions == "learned" and self.context is None:
            raise InputError('context is not given; with positions="learned" it is the number of vectors to learn')
        if not isinstance(self.token_types, int) or self.token_types < 0:
            raise InputError(f"token_types is {self.token_types!r}; it must be 0 or a positive whole number")
        if not isinstance(self.norm_epsilon, float) or not 0 < self.norm_epsilon < 1:
            raise InputError(f"norm_epsilon is {self.norm_epsilon!r}; it must be above 0 and below 1")
        if len(self.labels) == 1 or len(set(self.labels)) < len(self.labels):
            raise InputError(f"labels are {self.labels}; there must be at least two different ones, or none")
        if self.pooling not in ("first", "mean"):
            raise InputError(f'pooling is {self.pooling!r}; it must be "first" or "mean"')

    @classmethod
    def preset(cls, name: str, *, vocabulary_size: int) -> Self:
        """A configuration of a named size; vary it with `replace`. Raises InputError for an unknown name."""
        if name not in PRESETS:
            raise InputError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
        return cls(vocabulary_size=vocabulary_size, **PRESETS[name])

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again. Raises InputError for an unknown field."""
        known = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            if name not in known:
                raise InputError(f"the configuration has no field {name!r}; it has {', '.join(sorted(known))}")
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """The configuration as a JSON object, one field per line."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises InputError for anything that is not such an object."""
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"the configuration is not JSON: {error}") from None
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, dict) or "vocabulary_size" not in fields or not fields.keys() <= known:
            raise InputError(f"the configuration must be a JSON object with the fields {', '.join(sorted(known))}")
        return cls(**fields)
