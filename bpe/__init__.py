"""Byte-level byte-pair encoding, written by hand: train it, use it, look inside it.

>>> import bpe
>>> tokenizer = bpe.train(["low lower lowest", "new newer newest"] * 3, vocabulary_size=268)
>>> tokenizer.decode(tokenizer.encode("Lower, newest: 😀")) == "Lower, newest: 😀"
True

Read in this order: pretokenizer.py (text to pre-tokens to bytes), reference.py (BPE in its plainest form),
training.py (learning merges, fast), merging.py (applying them to one pre-token, fast), tokenizer.py (ids). The
rest: counting.py and cache.py (repeated words), terms.py (protected terms), decoding.py (characters from bytes),
checks.py (validation), storage.py (our file format), formats/ (other tokenizers' files), show.py and page.html
(demonstrations for teaching); compressed.py, files.py and signals.py (nothing half read or
half written, whatever ends a program).
"""

from .errors import TokenizerError
from .pretokenizer import CL100K_PATTERN, GPT2_PATTERN
from .tokenizer import DEFAULT_SPECIAL_TOKENS, Tokenizer
from .training import train

__version__ = "0.1.0"  # of the whole project: pyproject.toml and numpy_transformer read it here

__all__ = [
    "CL100K_PATTERN",
    "DEFAULT_SPECIAL_TOKENS",
    "GPT2_PATTERN",
    "Tokenizer",
    "TokenizerError",
    "train",
]
