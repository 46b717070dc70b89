"""Files of other tokenizers, read and written, so that known vocabularies can be used and ours travel."""

from .huggingface import read_huggingface, write_huggingface
from .subword_nmt import SUBWORD_NMT_PATTERN, read_subword_nmt, write_subword_nmt
from .tiktoken import read_tiktoken, write_tiktoken

__all__ = [
    "SUBWORD_NMT_PATTERN",
    "read_huggingface",
    "read_subword_nmt",
    "read_tiktoken",
    "write_huggingface",
    "write_subword_nmt",
    "write_tiktoken",
]
