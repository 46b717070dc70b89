"""A shortlist: of the whole vocabulary only the tokens that the translation of a sentence is likely to hold.

At each step the output projection, its normalizer and the search for the largest logits pass over all V tokens: a
third to a half of the time of a small model. A lexicon narrows them down (Mi et al. 2016; L'Hostis et al. 2016):

    listed(sentence) = frequent tokens + the tokens of the source + likely translations of each of them

The second part is for names and numbers, which are copied. Logits are computed for the tokens that any sentence of the
batch lists, and are -inf where a sentence does not list the token itself: what a sentence becomes still depends on that
sentence alone. Probabilities are those among the listed tokens.

numpy_transformer/translation/ibm_model_1.py learns the lexicon.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError
from numpy_transformer.storage.tensors import load_tensors, save_tensors


@dataclass(frozen=True)
class Shortlist:
    """What a source may be translated to; host arrays of ids."""

    always: Array  # (n,) for every sentence: pad, bos, eos and the frequent tokens
    translations: Array  # (V, K) of each source token; unused places repeat a token that is listed anyway

    def listed(self, source: Array) -> Array:
        """Source ids (B, S), padded behind -> bool (B, V), True at the tokens that each translation may hold."""
        listed = np.zeros((len(source), len(self.translations)), dtype=bool)
        sentences = np.arange(len(source))[:, None]
        listed[:, self.always] = True
        listed[sentences, source] = True
        listed[sentences[:, :, None], self.translations[source]] = True
        return listed

    def save(self, path: str | Path, *, tokenizer: str) -> None:
        """Write a file that is either whole or not there; `tokenizer` is the digest of the one that made the ids."""
        save_tensors(path, {"always": self.always, "translations": self.translations}, {"tokenizer": tokenizer})

    @classmethod
    def load(cls, path: str | Path, *, tokenizer: str) -> "Shortlist":
        """The inverse of `save`. Raises InputError, naming file and remedy, if it is of another tokenizer."""
        remedy = f"make it with: python -m numpy_transformer.shortlist {Path(path).parent}"
        if not Path(path).exists():
            raise InputError(f"{path}: no such shortlist: {remedy}")
        tensors, metadata = load_tensors(path)
        if metadata.get("tokenizer") != tokenizer:
            raise InputError(f"{path}: is no shortlist for this model's tokenizer: {remedy}")
        return cls(tensors["always"], tensors["translations"])
