"""The corpora of sounds, by the name given to --data, and the tokens of their texts."""

from pathlib import Path

import bpe
from numpy_transformer.data.sound.digit_strings import load_spoken_digits
from numpy_transformer.data.sound.sound_corpus import SoundCorpus
from numpy_transformer.data.sound.tones import load_tones


def load_sounds(
    data: str, data_directory: str | Path | None, *, seed: int, leave_out: str | None = None
) -> SoundCorpus:
    """ "tones", generated, or "spoken-digits", read from `data_directory`. Raises InputError if it cannot be read."""
    if data == "tones":
        return load_tones(seed)
    return load_spoken_digits(data_directory, seed=seed, leave_out=leave_out)


def tokenizer_for_sounds(corpus: SoundCorpus, vocabulary_size: int) -> bpe.Tokenizer:
    """Tokens for the texts: every word of the corpus is one, first in a text or not, if there is room for all."""
    # A pair of tokens is merged only if it occurs twice: each word stands twice at the beginning and twice behind it.
    return bpe.train([f"{word} {word}" for word in corpus.words] * 2, vocabulary_size=vocabulary_size)
