"""BERT's tokenizer: text is split at spaces and punctuation, and each word into the longest pieces of a vocabulary.

    "unaffable"  ->  un ##aff ##able          (Wu et al. 2016; a piece inside a word begins with ##)

The vocabulary is vocab.txt, one piece per line: its line number is its id. It has the part of bpe.Tokenizer's interface
that reading needs.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import regex

from numpy_transformer.data.files import read_lines
from numpy_transformer.errors import InputError
from numpy_transformer.storage.text_files import read_json, write_text

# A punctuation mark, an ideograph, or a run of other characters. ASCII signs such as $ count as punctuation in BERT.
WORD = regex.compile(r"[\p{P}!-/:-@\[-`{-~\p{Han}]|[^\s\p{P}!-/:-@\[-`{-~\p{Han}]+")
CONTROL = regex.compile(r"[\p{Cc}\p{Cf}\uFFFD--[\t\n\r]]", regex.V1)
LONGEST_WORD = 100  # characters; longer ones are unknown, as in BERT
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class WordPieceTokenizer:
    """Encodes and decodes with a vocabulary of pieces; `lowercase` also removes accents."""

    def __init__(self, pieces: Sequence[str], *, lowercase: bool) -> None:
        self._ids = {piece: number for number, piece in enumerate(pieces)}
        self._pieces = list(pieces)
        self._lowercase = lowercase
        self.special_tokens = {piece: self._ids[piece] for piece in SPECIAL}
        self.vocabulary = {number: piece.encode("utf-8", "replace") for number, piece in enumerate(pieces)}

    @classmethod
    def load(cls, folder: Path) -> "WordPieceTokenizer":
        """From vocab.txt, or tokenizer.json. Raises InputError naming the file and the remedy."""
        file = folder / "vocab.txt"
        lowercase: Any = True
        if file.is_file():
            pieces = read_lines(file)
        elif (folder / "tokenizer.json").is_file():
            file = folder / "tokenizer.json"
            document = read_json(file)
            try:
                pieces = sorted(document["model"]["vocab"], key=document["model"]["vocab"].get)
                lowercase = (document.get("normalizer") or {}).get("lowercase", True)
            except (KeyError, TypeError, AttributeError):
                raise InputError(f"{file}: has no vocabulary of pieces: it is not BERT's") from None
        else:
            raise InputError(f"{folder}: holds neither vocab.txt nor tokenizer.json: copy one of them into it")
        missing = [piece for piece in SPECIAL if piece not in pieces]
        if missing:
            raise InputError(f"{file}: lacks {missing[0]}: it is not BERT's vocabulary")
        settings = folder / "tokenizer_config.json"
        if settings.is_file():
            lowercase = read_json(settings).get("do_lower_case", lowercase)
        return cls(pieces, lowercase=bool(lowercase))

    def save(self, folder: Path) -> None:
        """Write vocab.txt and tokenizer_config.json, from which `load` makes it again."""
        write_text(folder / "vocab.txt", "".join(f"{piece}\n" for piece in self._pieces))
        write_text(folder / "tokenizer_config.json", json.dumps({"do_lower_case": self._lowercase}) + "\n")

    @property
    def digest(self) -> str:
        """SHA-256 of what it does: the same for the same pieces and case."""
        return hashlib.sha256(json.dumps([self._lowercase, self._pieces]).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """The ids of a text; a word that cannot be split is [UNK]."""
        text = CONTROL.sub("", text)
        if self._lowercase:
            text = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        return [i for word in WORD.findall(text) for i in self._split(word)]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return [encode(text) for text in texts]."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """The pieces with spaces between words."""
        return " ".join(self._pieces[i] for i in ids).replace(" ##", "")

    def _split(self, word: str) -> list[int]:
        ids: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in self._ids), None)
            if end is None or len(word) > LONGEST_WORD:
                return [self._ids["[UNK]"]]
            ids.append(self._ids[prefix + word[start:end]])
            start = end
        return ids
