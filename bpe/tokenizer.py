"""Turn text into token ids and back.

>>> tokenizer = Tokenizer([(b"l", b"o"), (b"lo", b"w"), (b"e", b"s"), (b"es", b"t")])
>>> ids = tokenizer.encode("lowest")
>>> [tokenizer.vocabulary[token] for token in ids]
[b'low', b'est']
>>> tokenizer.decode(ids)
'lowest'

Ids: the special tokens come first, then the 256 bytes, the merges in the order learned, the protected terms.
Text never produces special tokens, even if it spells them out, unless the caller names them:

>>> "<eos>" in tokenizer.special_tokens, tokenizer.special_tokens["<eos>"] in tokenizer.encode("<eos>")
(True, False)
>>> tokenizer.encode("<eos>", allowed_special={"<eos>"}) == [tokenizer.special_tokens["<eos>"]]
True

Why it is fast. Text repeats its words, so the ids of each word are computed once and then looked up. The loop over
a sentence is one split at spaces and one dictionary look-up per word. The split pattern allows a text to be cut
there (see pretokenizer.py); other texts and patterns go through the regular expression, and their pre-tokens are
looked up in the same way.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from os import PathLike
from random import Random
from typing import Literal
from unicodedata import normalize

from . import storage
from .cache import BLOCK, Cache, NotAWordError, blocks
from .checks import (
    checked_ids,
    checked_merges,
    checked_protected_terms,
    checked_special_tokens,
    checked_term_options,
)
from .decoding import IncrementalDecoder, character_spans
from .errors import TokenizerError
from .merging import Dropout, merge, merge_with_dropout
from .pretokenizer import GPT2_PATTERN, PreTokenizer, bytes_to_text, text_to_bytes
from .terms import TermFinder

DEFAULT_SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>")

AllowedSpecial = Collection[str] | Literal["all"]

_JOIN = 1 << 16  # tokens; bytes.join needs 80 bytes for each while it works


class Tokenizer:
    """A byte-level BPE tokenizer, defined by its merges and never changed afterwards.

    merges: pairs of byte strings in the order learned; each part is one byte or made by an earlier merge.
    pattern: the `regex` expression that splits text into pre-tokens.
    special_tokens: their names, which get the ids 0, 1, ...; or a mapping from name to id.
    protected_terms: strings that are always one token wherever they occur in a text; the longest wins.
    token_ids: the id of each byte, merge and protected term, for a vocabulary made elsewhere. Without it
        they take the free ids in ascending order.
    term_options: for a vocabulary made elsewhere: of a protected term or special token, any of "lstrip", "rstrip"
        (it takes the white space before, after it along, which decoding then lacks) and "single_word" (it is found
        only where no letter or digit touches it).
    normalization: for a vocabulary made elsewhere: "NFC" composes letters and accents before encoding; decode then
        gives the composed text, and offsets count its characters. None leaves every text as it is.
    cache_size: the largest number of words, and of pre-tokens, to remember.

    Raises TokenizerError for merges that are repeated or made of unknown parts, for names or ids that are
    empty or used twice, and for a pattern that does not compile or matches an empty string.
    """

    def __init__(
        self,
        merges: Iterable[tuple[bytes, bytes]],
        *,
        pattern: str = GPT2_PATTERN,
        special_tokens: Sequence[str] | Mapping[str, int] = DEFAULT_SPECIAL_TOKENS,
        protected_terms: Iterable[str] = (),
        token_ids: Sequence[int] | None = None,
        term_options: Mapping[str, Collection[str]] | None = None,
        normalization: str | None = None,
        cache_size: int = 1 << 17,
    ) -> None:
        self.merges: list[tuple[bytes, bytes]] = list(merges)
        self.special_tokens: dict[str, int] = checked_special_tokens(special_tokens)
        self.protected_terms: tuple[str, ...] = checked_protected_terms(protected_terms, self.special_tokens)
        self.term_options: dict[str, tuple[str, ...]] = checked_term_options(
            term_options, {*self.special_tokens, *self.protected_terms}
        )
        if normalization not in (None, "NFC"):
            raise TokenizerError(f'normalization is "NFC" or None, not {normalization!r}')
        self.normalization = normalization
        self._tokens, self._table, self._parts = checked_merges(self.merges)
        self._tokens.extend(map(text_to_bytes, self.protected_terms))
        self._default_ids = token_ids is None
        self._ids = checked_ids(token_ids, len(self._tokens), self.special_tokens)
        #: From id to bytes, including special tokens (as their names).
        self.vocabulary: dict[int, bytes] = {
            **{token_id: text_to_bytes(name) for name, token_id in self.special_tokens.items()},
            **dict(zip(self._ids, self._tokens, strict=True)),
        }
        self._pretokenizer = PreTokenizer(pattern)
        self._terms = TermFinder(self.protected_terms, self.term_options)
        self._needs_segments = bool(self._terms or normalization)
        self._finders: dict[frozenset[str], TermFinder] = {}  # by the special tokens that they find as well
        self._cache_size = cache_size
        self._pieces = Cache(self._encode_piece, cache_size)
        self._first_words = Cache(self._encode_first_word, cache_size)
        self._later_words = Cache(self._encode_later_word, cache_size)

    @property
    def pattern(self) -> str:
        """The split pattern, as a `regex` expression."""
        return self._pretokenizer.pattern

    @cached_property
    def text_vocabulary(self) -> dict[int, bytes]:
        """From id to bytes, for the bytes and merges only."""
        return dict(zip(self._ids, self._tokens[: 256 + len(self.merges)], strict=False))

    @cached_property
    def added_ids(self) -> dict[str, int]:
        """From name to id, for the strings found in a text before it is split: special tokens and protected terms."""
        first_term = 256 + len(self.merges)
        return {**self.special_tokens, **dict(zip(self.protected_terms, self._ids[first_term:], strict=True))}

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        return f"<bpe.Tokenizer of {len(self)} tokens, {len(self.merges)} of them merges>"

    # Encoding

    def encode(
        self,
        text: str,
        *,
        allowed_special: AllowedSpecial = (),
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> list[int]:
        """Return the ids of `text`; decode gives back exactly `text`.

        allowed_special: names of the special tokens to recognize in the text, or "all". Others are ordinary text.
        dropout: the probability of leaving out a merge (BPE-dropout, Provilkov et al. 2020: 0.1 in training).
        seed: makes the dropout repeatable.
        """
        if not (allowed_special or dropout or self._needs_segments):
            return self._encode_plain(text)
        return self.encode_batch([text], allowed_special=allowed_special, dropout=dropout, seed=seed)[0]

    def encode_batch(
        self,
        texts: Iterable[str],
        *,
        allowed_special: AllowedSpecial = (),
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> list[list[int]]:
        """Return [encode(text) for text in texts]; one random stream, started by `seed`, serves the batch."""
        if isinstance(texts, str):
            raise TokenizerError("encode_batch needs a list of texts, not one str")
        if not (allowed_special or dropout or self._needs_segments):
            return [self._encode_plain(text) for text in texts]
        if not 0 <= dropout <= 1:
            raise TokenizerError(f"dropout is a probability, from 0 to 1, not {dropout}")
        drops = Dropout(dropout, Random(seed)) if dropout else None
        return [self._encode_with_options(text, allowed_special, drops) for text in texts]

    def encode_with_offsets(
        self, text: str, *, allowed_special: AllowedSpecial = ()
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Return ids and, for each, the span (start, end) of `text`, in characters, that it stands for.

        A token that holds only some bytes of a character spans the whole character, so the spans of two
        neighbours may share one.
        """
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        position = 0
        for part, token_id in self._segments(text, allowed_special):
            if token_id is not None:
                ids.append(token_id)
                spans.append((position, position + len(part)))
                position += len(part)
                continue
            for piece in self._pretokenizer.split(part):
                piece_ids = self._pieces[piece]
                ids.extend(piece_ids)
                spans.extend(character_spans(piece, [len(self.vocabulary[i]) for i in piece_ids], position))
                position += len(piece)
        return ids, spans

    def pretokenize(self, text: str) -> list[str]:
        """Return the pieces of `text` before merging: its pre-tokens, and protected terms as a whole."""
        pieces = []
        for part, token_id in self._segments(text, ()):
            whole = None if token_id is None else bytes_to_text(self.vocabulary[token_id])
            pieces += self._pretokenizer.split(part) if whole is None else [whole]
        return pieces

    def _encode_plain(self, text: str) -> list[int]:
        if not isinstance(text, str):
            raise TokenizerError(f"only a str can be encoded, not {type(text).__name__}")
        if not self._pretokenizer.cuts_at_single_spaces:
            return self._encode_pieces(text)
        if len(text) <= BLOCK:
            return self._encode_words(text)
        return list(chain.from_iterable(map(self._encode_words, blocks(text))))

    def _encode_words(self, text: str) -> list[int]:
        ids: list[int] = []
        words = iter(text.split(" "))
        later_words = self._later_words
        try:
            ids += self._first_words[next(words)]
            for word in words:
                ids += later_words[word]
        except NotAWordError:
            return self._encode_pieces(text)
        return ids

    def _encode_pieces(self, text: str) -> list[int]:
        return list(chain.from_iterable(map(self._pieces.__getitem__, self._pretokenizer.split(text))))

    def _encode_with_options(self, text: str, allowed_special: AllowedSpecial, dropout: Dropout | None) -> list[int]:
        ids: list[int] = []
        for part, token_id in self._segments(text, allowed_special):
            if token_id is not None:
                ids.append(token_id)
            elif dropout is None:
                ids += self._encode_plain(part)
            else:
                for piece in self._pretokenizer.split(part):
                    ids += self._encode_piece_with_dropout(piece, dropout)
        return ids

    def _encode_piece_with_dropout(self, piece: str, dropout: Dropout) -> Iterable[int]:
        whole = self._pieces[piece]
        data = text_to_bytes(piece)
        merges = len(data) - len(whole)
        if merges <= dropout.kept:
            dropout.kept -= merges
            return whole
        return map(self._ids.__getitem__, merge_with_dropout(data, self._table, self._parts, dropout))

    def _segments(self, text: str, allowed_special: AllowedSpecial) -> Iterator[tuple[str, int | None]]:
        """Cut a text at terms and allowed special tokens; yield each part with its id, None for plain text."""
        if not isinstance(text, str):
            raise TokenizerError(f"only a str can be encoded, not {type(text).__name__}")
        finder = self._finder(allowed_special) if allowed_special else self._terms
        for part, term in finder.split(text):
            if term is not None:
                yield part, self.added_ids[term]
            else:
                yield normalize("NFC", part) if self.normalization else part, None

    def _finder(self, allowed_special: AllowedSpecial) -> TermFinder:
        """Return what finds the protected terms and these special tokens."""
        if allowed_special == "all":
            allowed = frozenset(self.special_tokens)
        elif isinstance(allowed_special, str):
            raise TokenizerError(f'allowed_special is a set of names or "all", not {allowed_special!r}')
        else:
            allowed = frozenset(allowed_special)
        if unknown := allowed - self.special_tokens.keys():
            raise TokenizerError(f"{min(unknown)!r} is not a special token of this tokenizer")
        if allowed not in self._finders:
            self._finders[allowed] = TermFinder([*self.protected_terms, *allowed], self.term_options)
        return self._finders[allowed]

    def _encode_piece(self, piece: str) -> tuple[int, ...]:
        symbols = merge(text_to_bytes(piece), self._table, self._parts)
        return tuple(map(self._ids.__getitem__, symbols))

    def _encode_first_word(self, word: str) -> tuple[int, ...]:
        if not word:
            return ()  # the text starts with a space
        if word[0].isspace() or word[-1].isspace():
            raise NotAWordError
        return tuple(self._encode_pieces(word))

    def _encode_later_word(self, word: str) -> tuple[int, ...]:
        if not word or word[0].isspace() or word[-1].isspace():
            raise NotAWordError
        return tuple(self._encode_pieces(" " + word))

    # Decoding

    def decode(self, ids: Iterable[int], *, keep_special: bool = False) -> str:
        """Return the text of any sequence of ids.

        Special tokens are left out, or written as their names with `keep_special`. Bytes that do not form a
        character become U+FFFD. Raises TokenizerError for an unknown id.
        """
        return bytes_to_text(self.decode_bytes(ids, keep_special=keep_special))

    def decode_bytes(self, ids: Iterable[int], *, keep_special: bool = False) -> bytes:
        """Return the bytes of any sequence of ids, as decode does for text."""
        table = self.vocabulary if keep_special else self._silent
        try:
            if not isinstance(ids, list):
                ids = list(ids)
            if len(ids) <= _JOIN:
                return b"".join(map(table.__getitem__, ids))
            blocks = (ids[start : start + _JOIN] for start in range(0, len(ids), _JOIN))
            return b"".join([b"".join(map(table.__getitem__, block)) for block in blocks])
        except KeyError as error:
            raise TokenizerError(
                f"id {error.args[0]!r} is not in the vocabulary: "
                f"{len(self)} ids from {min(self.vocabulary)} to {max(self.vocabulary)}"
            ) from None
        except TypeError:
            raise TokenizerError("decode needs a flat sequence of integer ids") from None

    @cached_property
    def _silent(self) -> dict[int, bytes]:
        """The vocabulary with nothing for the special tokens."""
        return self.vocabulary | dict.fromkeys(self.special_tokens.values(), b"")

    def decode_batch(self, batch: Iterable[Iterable[int]], *, keep_special: bool = False) -> list[str]:
        """Return [decode(ids) for ids in batch]."""
        return [self.decode(ids, keep_special=keep_special) for ids in batch]

    def incremental_decoder(self, *, keep_special: bool = False) -> IncrementalDecoder:
        """Return a decoder that takes one id at a time and returns each character once it is complete."""
        return IncrementalDecoder(lambda token_id: self.decode_bytes((token_id,), keep_special=keep_special))

    # Files

    def save(self, path: str | PathLike[str]) -> None:
        """Write the tokenizer to a JSON file, whole or not at all."""
        storage.save(self._definition(), path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Tokenizer":
        """Read a tokenizer that `save` wrote. Raises TokenizerError for any other file, or a changed one."""
        definition, digest = storage.load(path)
        try:
            tokenizer = cls(**definition)
        except TokenizerError as error:
            raise TokenizerError(f"{path}: {error}") from None
        tokenizer.digest = digest  # has been checked: no need to compute it again
        return tokenizer

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what defines the tokenizer; equal digests mean equal ids for every text."""
        return storage.digest(self._definition())

    def _definition(self) -> storage.Definition:
        return {
            "pattern": self.pattern,
            "special_tokens": self.special_tokens,
            "protected_terms": list(self.protected_terms),
            "token_ids": None if self._default_ids else self._ids,
            "term_options": {name: list(options) for name, options in self.term_options.items()},
            "normalization": self.normalization,
            "merges": self.merges,
        }

    def __reduce__(self) -> tuple[Callable[..., "Tokenizer"], tuple[storage.Definition, int]]:
        return _rebuild, (self._definition(), self._cache_size)


def _rebuild(definition: storage.Definition, cache_size: int) -> Tokenizer:
    return Tokenizer(**definition, cache_size=cache_size)
