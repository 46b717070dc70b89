"""Byte-level byte-pair encoding, written by hand: learn it, use it, look inside it.

>>> import bpe
>>> tokenizer = bpe.train(["low lower lowest", "new newer newest"] * 3, vocabulary_size=268)
>>> tokenizer.decode(tokenizer.encode("Lower, newest: 😀")) == "Lower, newest: 😀"
True

Read in this order: pretokenizer.py (text to pre-tokens to bytes), training.py (learning merges), merging.py
(applying them to one pre-token), tokenizer.py (ids). The rest is storage.py (our file), terms.py (protected
terms), decoding.py (characters from bytes), formats/ (other tokenizers' files), show.py (for a class).
"""

from .errors import TokenizerError
from .pretokenizer import CL100K_PATTERN, GPT2_PATTERN
from .tokenizer import DEFAULT_SPECIAL_TOKENS, Tokenizer
from .training import train

__all__ = [
    "CL100K_PATTERN",
    "DEFAULT_SPECIAL_TOKENS",
    "GPT2_PATTERN",
    "Tokenizer",
    "TokenizerError",
    "train",
]
