"""From texts to token ids and back, as a translator needs them."""

from collections.abc import Iterable, Sequence

from bpe import Tokenizer
from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian import MarianTokenizer
from numpy_transformer.translation.text_errors import OverlongError, TextError

ModelTokenizer = Tokenizer | MarianTokenizer


def encode_texts(texts: Iterable[str], tokenizer: ModelTokenizer, *, eos_id: int) -> list[list[int]]:
    """Each text's ids followed by eos, as in training; a blank text has none.

    Raises TextError for anything but text, OverlongError for a text of more than 1,000 tokens.
    """
    if isinstance(texts, str):
        raise InputError("translate a list of texts, not a single str: translate([text])")
    texts = list(texts)
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise TextError(number, f"is a {type(text).__name__}, not a str")
    blank = [not text.strip() for text in texts]
    encoded = [
        [] if is_blank else [*ids, eos_id] for ids, is_blank in zip(tokenizer.encode_batch(texts), blank, strict=True)
    ]
    for number, ids in enumerate(encoded, 1):
        if len(ids) - 1 > LONGEST_SOURCE:
            raise OverlongError(number, len(ids) - 1)
    return encoded


def with_eos(ids: Sequence[int], tokenizer: ModelTokenizer, *, eos_id: int) -> list[int]:
    """The ids of a translation followed by eos. Raises InputError for an id that is not in the vocabulary."""
    unknown = [i for i in ids if i not in tokenizer.vocabulary]
    if unknown:
        raise InputError(f"there is no token {unknown[0]}; the vocabulary has {len(tokenizer)}")
    return [*ids, eos_id]


def written_text(tokenizer: ModelTokenizer, ids: Sequence[int]) -> str:
    """The text of some ids, for a person to read.

    A byte-level model may write any bytes, even half a surrogate pair, which no file or terminal accepts.
    """
    return tokenizer.decode(ids).encode("utf-8", "replace").decode("utf-8")
