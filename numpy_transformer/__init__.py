"""The Transformer of "Attention Is All You Need" in NumPy, with every derivative written by hand.

import numpy_transformer as nt
"""

from numpy_transformer.config import TransformerConfig
from numpy_transformer.errors import InputError
from numpy_transformer.model import Transformer

__all__ = ["InputError", "Transformer", "TransformerConfig"]
