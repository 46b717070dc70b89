"""Codes of subword-nmt (Sennrich et al. 2016): merges of characters, with </w> at the end of a word.

A byte-level tokenizer has no end-of-word mark and needs none: each word includes the space that follows it, so
</w> is that space, and a text stays lossless. So end every text with a space; otherwise its last word counts as
unfinished. Then `encode` splits as `subword-nmt apply-bpe` does.

The first merges join bytes into characters. In codes of version 0.2 the last character of a word and </w> are one
symbol from the start, so the next merges join those; in version 0.1 they are learned.
"""

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike

from ..errors import TokenizerError
from ..storage import read_text, write_text
from ..tokenizer import DEFAULT_SPECIAL_TOKENS, Tokenizer

SUBWORD_NMT_PATTERN = r"[^ ]+ ?| "

_END = "</w>"


def read_subword_nmt(path: str | PathLike[str], *, special_tokens: Sequence[str] = DEFAULT_SPECIAL_TOKENS) -> Tokenizer:
    """Read a codes file of version 0.1 or 0.2.

    Raises TokenizerError, naming the line, if a line is not two symbols that earlier lines make.
    """
    lines = read_text(path).rstrip("\n").split("\n")
    version, first_code = "0.1", 0
    if lines[0].startswith("#version:"):
        version, first_code = lines[0].removeprefix("#version:").strip(), 1
    if version not in ("0.1", "0.2"):
        raise TokenizerError(f"{path}: unknown version {version[:20]!r} of the codes; 0.1 and 0.2 are known")

    codes: list[tuple[str, str]] = []
    for number, line in enumerate(lines[first_code:], first_code + 1):
        symbols = line.rstrip("\r").split(" ")
        if len(symbols) != 2 or not all(symbols):
            raise TokenizerError(f"{path}, line {number}: not two symbols separated by a space")
        codes.append((symbols[0], symbols[1]))

    characters = sorted({character for pair in codes for symbol in pair for character in symbol.removesuffix(_END)})
    merges = list(dict.fromkeys(pair for character in characters for pair in _assembly(character)))
    if version == "0.2":
        merges += [(character.encode(), b" ") for character in characters]
    prepared = len(merges)
    merges += [(_to_bytes(left), _to_bytes(right)) for left, right in codes]
    known = {bytes([byte]) for byte in range(256)} | {left + right for left, right in merges[:prepared]}
    for number, (left, right) in enumerate(merges[prepared:], first_code + 1):
        if left not in known or right not in known or left + right in known:
            raise TokenizerError(f"{path}, line {number}: made of symbols that no earlier line makes, or made twice")
        known.add(left + right)
    return Tokenizer(merges, pattern=SUBWORD_NMT_PATTERN, special_tokens=special_tokens)


def _assembly(character: str) -> Iterator[tuple[bytes, bytes]]:
    data = character.encode()
    for end in range(1, len(data)):
        yield data[:end], data[end : end + 1]


def _to_bytes(symbol: str) -> bytes:
    return symbol.removesuffix(_END).encode() + b" " * symbol.endswith(_END)


def write_subword_nmt(tokenizer: Tokenizer, path: str | PathLike[str]) -> None:
    """Write codes of version 0.1, for a tokenizer whose pattern is SUBWORD_NMT_PATTERN.

    Raises TokenizerError for merges that codes cannot express: one that joins parts of different characters, or one
    with a space that does not end a word. Also for a tokenizer that composes text first.
    """
    if tokenizer.normalization:
        raise TokenizerError(f"subword-nmt codes cannot normalize text first ({tokenizer.normalization})")
    if tokenizer.pattern != SUBWORD_NMT_PATTERN:
        raise TokenizerError("subword-nmt codes need a tokenizer whose pattern is bpe.formats.SUBWORD_NMT_PATTERN")
    write_text("#version: 0.1\n" + "".join(f"{left} {right}\n" for left, right in _codes(tokenizer.merges)), path)


def _codes(merges: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    for left, right in merges:
        if _is_within_character(left + right):
            continue
        try:
            _to_symbol(left + right)
            yield _to_symbol(left), _to_symbol(right)
        except ValueError:
            raise TokenizerError(f"subword-nmt codes cannot express the merge {left!r} + {right!r}") from None


def _is_within_character(data: bytes) -> bool:
    """Is this the beginning of one character of several bytes, or all of it?"""
    return data[0] >= 0xC0 and all(0x80 <= byte < 0xC0 for byte in data[1:])


def _to_symbol(token: bytes) -> str:
    text = token.decode("utf-8")
    word = text.removesuffix(" ")
    if " " in word or not text:
        raise ValueError
    return word + _END * (word != text)
