"""The tokenizer of a Marian model: SentencePiece for both languages, and one vocabulary.

vocab.json   from piece to id     source.spm  target.spm   how a text of each language is cut into pieces
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.storage.text_files import read_json, write_text

SPACE = "\u2581"  # what SentencePiece writes for a space


class MarianTokenizer:
    """Encodes the source language and decodes the target language with SentencePiece; both share one vocabulary.

    It has the part of bpe.Tokenizer's interface that translation and training need.
    """

    def __init__(self, ids: dict[str, int], special_tokens: dict[str, int], source: Any, target: Any) -> None:
        self._ids = ids
        self._pieces = {token_id: piece for piece, token_id in ids.items()}
        self._unknown = ids["<unk>"]
        self._source, self._target = source, target
        self.special_tokens = special_tokens

    @classmethod
    def load(cls, path: Path, config: TransformerConfig) -> "MarianTokenizer":
        """The tokenizer of a model folder. Raises InputError naming the file and the remedy."""
        ids = read_json(path / "vocab.json")
        whole = all(isinstance(i, int) for i in ids.values())
        if "<unk>" not in ids or not whole or sorted(ids.values()) != list(range(config.vocabulary_size)):
            raise InputError(
                f"{path / 'vocab.json'}: is not a vocabulary of {config.vocabulary_size} pieces with <unk>, as the "
                "model needs: download it again"
            )
        special = {piece: i for piece, i in ids.items() if i in (config.pad_id, config.eos_id) or piece == "<unk>"}
        return cls(ids, special, _sentencepiece(path / "source.spm"), _sentencepiece(path / "target.spm"))

    def __repr__(self) -> str:
        return f"<MarianTokenizer of {len(self)} pieces>"

    def save(self, folder: Path) -> None:
        """Write the three files that `load` reads. Raises InputError if one cannot be written."""
        write_text(folder / "vocab.json", json.dumps(self._ids, ensure_ascii=False, indent=1) + "\n")
        for name, processor in (("source", self._source), ("target", self._target)):
            with atomic_write(folder / f"{name}.spm") as file:
                file.write(processor.serialized_model_proto())

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of all that the ids of a text depend on."""
        sha = hashlib.sha256(json.dumps(self._ids, sort_keys=True).encode("ascii"))
        for processor in (self._source, self._target):
            sha.update(processor.serialized_model_proto())
        return sha.hexdigest()

    def __len__(self) -> int:
        return len(self._ids)

    @cached_property
    def vocabulary(self) -> dict[int, bytes]:
        """From id to the bytes of its piece."""
        return {i: piece.replace(SPACE, " ").encode("utf-8", "replace") for i, piece in self._pieces.items()}

    @cached_property
    def of_target(self) -> "MarianTokenizer":
        """The same, but it encodes texts in the target language."""
        return MarianTokenizer(self._ids, self.special_tokens, self._target, self._target)

    def encode(self, text: str) -> list[int]:
        """The ids of a text; >>code<< before it names the target language of a multilingual model."""
        code, found, rest = text.partition("<<") if text.startswith(">>") else ("", "", text)
        pieces = self._source.encode(rest if found else text, out_type=str)
        if found:
            pieces = [code + found, *pieces]
        return [self._ids.get(piece, self._unknown) for piece in pieces]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return [encode(text) for text in texts]."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a sequence of ids, without the special tokens."""
        special = set(self.special_tokens.values())
        pieces = [self._pieces[i] for i in ids if i not in special]
        return self._target.decode_pieces(pieces).replace(SPACE, " ").strip()


def _sentencepiece(path: Path) -> Any:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError:
        raise InputError("a Marian model needs the package sentencepiece: pip install sentencepiece") from None
    if not path.is_file():
        raise InputError(f"{path}: no such file: a Marian model's folder must hold it")
    try:
        return SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"{path}: is not a SentencePiece model ({' '.join(str(error).split())}): download it again"
        ) from None
