"""Read and write other tokenizers' files, to use known vocabularies here and ours elsewhere."""

from .huggingface import read_gpt2, read_huggingface, write_huggingface
from .subword_nmt import SUBWORD_NMT_PATTERN, read_subword_nmt, write_subword_nmt
from .tiktoken import read_tiktoken, write_tiktoken

__all__ = [
    "SUBWORD_NMT_PATTERN",
    "read_gpt2",
    "read_huggingface",
    "read_subword_nmt",
    "read_tiktoken",
    "write_huggingface",
    "write_subword_nmt",
    "write_tiktoken",
]
