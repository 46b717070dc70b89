"""Decoding: from source ids to translations, by greedy search, beam search or sampling."""

from numpy_transformer.decoding.beam import beam_search
from numpy_transformer.decoding.incremental import IncrementalDecoder
from numpy_transformer.decoding.sampling import Sampling, greedy_search, sample
from numpy_transformer.decoding.scoring import EXTRA_LENGTH, Decoded, length_penalty

__all__ = [
    "EXTRA_LENGTH",
    "Decoded",
    "IncrementalDecoder",
    "Sampling",
    "beam_search",
    "greedy_search",
    "length_penalty",
    "sample",
]
