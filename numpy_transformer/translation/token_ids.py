"""From texts to token ids and back, as a translator needs them."""

from collections.abc import Iterable, Sequence

import numpy as np

from bpe import Tokenizer
from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.data.clean_text import clean_text, writable
from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.translation.text_errors import OverlongError, TextError

ModelTokenizer = Tokenizer | MarianTokenizer


def target_side(tokenizer: ModelTokenizer) -> ModelTokenizer:
    """What encodes texts in the target language: the same tokenizer, but for imported models."""
    return tokenizer.of_target if isinstance(tokenizer, MarianTokenizer) else tokenizer


def check_texts(texts: Iterable[str]) -> list[str]:
    """The texts as a list. Raises TextError for anything but text, InputError for a single str."""
    if isinstance(texts, str):
        raise InputError("translate a list of texts, not a single str: translate([text])")
    texts = list(texts)
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise TextError(number, f"is a {type(text).__name__}, not a str")
    return texts


def encode_texts(texts: Iterable[str], tokenizer: ModelTokenizer, *, eos_id: int) -> list[list[int]]:
    """Each text's ids followed by eos, cleaned as in training (data/clean_text.py); a blank text has none.

    Raises TextError for anything but text, OverlongError for a text of more than 1,000 tokens.
    """
    texts = check_texts(texts)
    cleaned = [clean_text(text) for text in texts]
    encoded = [
        [*ids, eos_id] if text else [] for text, ids in zip(cleaned, tokenizer.encode_batch(cleaned), strict=True)
    ]
    for number, ids in enumerate(encoded, 1):
        if len(ids) - 1 > LONGEST_SOURCE:
            raise OverlongError(number, len(ids) - 1)
    return encoded


def encode_translations(
    translations: Iterable[str | Sequence[int]], tokenizer: ModelTokenizer, *, eos_id: int
) -> list[list[int]]:
    """Each translation's ids followed by eos. It may be a text or ids, such as those of a Hypothesis.

    `tokenizer` is that of the target language; it cuts a text into the tokens that it was trained with, where a search
    may have found others that write the same. Raises TextError for anything but text and ids, OverlongError for a text
    of more than 1,000 tokens, InputError for an id that is not in the vocabulary.
    """
    if isinstance(translations, str):
        raise InputError("give a list of translations, not a single str: [translation]")
    translations = list(translations)
    texts = [one if isinstance(one, str) else "" for one in translations]
    encoded = encode_texts(texts, tokenizer, eos_id=eos_id)
    return [
        (ids or [eos_id]) if isinstance(one, str) else with_eos(one, tokenizer, eos_id=eos_id)
        for one, ids in zip(translations, encoded, strict=True)
    ]


def with_eos(ids: Sequence[int], tokenizer: ModelTokenizer, *, eos_id: int) -> list[int]:
    """The ids of a translation followed by eos. Raises InputError for an id that is not in the vocabulary."""
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputError(f"a translation is a {type(ids).__name__}; give its token ids")
    ids = list(ids)
    unknown = [i for i in ids if not isinstance(i, int | np.integer) or i not in tokenizer.vocabulary]
    if unknown:
        raise InputError(f"there is no token {unknown[0]}; the vocabulary has {len(tokenizer)}")
    return [*ids, eos_id]


def written_text(tokenizer: ModelTokenizer, ids: Sequence[int]) -> str:
    """The text of some ids, for a person to read.

    A byte-level model may write any bytes, even half a surrogate pair, which no file or terminal accepts.
    """
    return writable(tokenizer.decode(ids))
