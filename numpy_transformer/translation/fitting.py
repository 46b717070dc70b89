"""What must fit together in a translator: models, tokenizer and shortlist."""

from pathlib import Path

from bpe import Tokenizer
from numpy_transformer.errors import InputError
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.translation.token_ids import ModelTokenizer


def check_tokenizer(model: Transformer, tokenizer: ModelTokenizer) -> None:
    """Raises InputError if the tokenizer is not the one that the model was trained with."""
    config = model.config
    if len(tokenizer) != config.vocabulary_size:
        raise InputError(
            f"the tokenizer has {len(tokenizer)} tokens, the model {config.vocabulary_size}: "
            "use the tokenizer.json that the model was trained with"
        )
    if model.tokenizer_digest not in (None, tokenizer.digest):
        raise InputError("the model was trained with another tokenizer: use the tokenizer.json of its run")
    if not {config.pad_id, config.bos_id, config.eos_id} <= set(tokenizer.special_tokens.values()):
        raise InputError(
            f"pad, bos and eos ({config.pad_id}, {config.bos_id}, {config.eos_id}) are no special tokens of the "
            "tokenizer: use the tokenizer.json that the model was trained with"
        )


def check_same_tokenizer(one: ModelTokenizer, other: ModelTokenizer, *, name: str | Path) -> None:
    """Raises InputError if the tokenizer of model `name` differs from that of the first in its ensemble."""
    if one.digest != other.digest:
        raise InputError(f"{name}: has another tokenizer: an ensemble's models must share one")


def tokenizer_for_shortlist(tokenizer: ModelTokenizer, *, models: int) -> Tokenizer:
    """The tokenizer itself. Raises InputError for an imported model or an ensemble, which can have no shortlist."""
    if models > 1 or not isinstance(tokenizer, Tokenizer):
        raise InputError("a shortlist is for a single model that was trained here, not for this one")
    return tokenizer
