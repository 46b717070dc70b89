"""A shortlist: only those tokens of the vocabulary that a sentence's translation is likely to contain.

At each step the output projection, its normalizer and the search for the largest logits pass over all V tokens: a third
to a half of a small model's time. A lexicon narrows them down (Mi et al. 2016; L'Hostis et al. 2016):

    listed(sentence) = frequent tokens + the tokens of the source + likely translations of each of them

The second part is for names and numbers, which are copied. Logits are computed for the tokens that any sentence of the
batch lists, and are -inf where a sentence does not list the token itself: a translation still depends on its sentence
alone. Probabilities are normalised over the listed tokens.

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
        """Source ids (B, S), right-padded -> bool (B, V), True at the tokens that each translation may contain."""
        listed = np.zeros((len(source), len(self.translations)), dtype=bool)
        sentences = np.arange(len(source))[:, None]
        listed[:, self.always] = True
        listed[sentences, source] = True
        listed[sentences[:, :, None], self.translations[source]] = True
        return listed

    def save(self, path: str | Path, *, tokenizer: str) -> None:
        """Write the file atomically; `tokenizer` is the digest of the one that made the ids."""
        save_tensors(path, {"always": self.always, "translations": self.translations}, {"tokenizer": tokenizer})

    @classmethod
    def load(cls, path: str | Path, *, tokenizer: str) -> "Shortlist":
        """The inverse of `save`. Raises InputError, naming file and remedy, if it belongs to another tokenizer."""
        remedy = f"make it with: python -m numpy_transformer.shortlist {Path(path).parent}"
        if not Path(path).exists():
            raise InputError(f"{path}: no such shortlist: {remedy}")
        tensors, metadata = load_tensors(path)
        if metadata.get("tokenizer") != tokenizer:
            raise InputError(f"{path}: is no shortlist for this model's tokenizer: {remedy}")
        return cls(tensors["always"], tensors["translations"])
