"""Watch BPE at work: each merge as it is applied, in a terminal or as a page for a browser."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from .pretokenizer import text_to_bytes
from .reference import Pair, join_pair
from .tokenizer import Tokenizer
from .training import train

#: Sennrich et al. 2016, the corpus of algorithm 1: words and how often each occurs.
EXAMPLE_CORPUS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}

_EXAMPLE_PATTERN = r"\S+|\s+"  # words and what lies between them, as in the paper


def example_tokenizer(number_of_merges: int = 10) -> Tokenizer:
    """Return the tokenizer that the paper's example corpus gives."""
    words = [word for word, count in EXAMPLE_CORPUS.items() for _ in range(count)]
    return train(words, 256 + number_of_merges, pattern=_EXAMPLE_PATTERN, special_tokens=())


def visible(token: bytes) -> str:
    """Write a token so that all of it is visible: every page and program of the project shows tokens this way.

    ␣ is a space, ↵ a line end, ⇥ a tab. <e6 97> are bytes that are only a part of a character, <200b> is a character
    without a picture, and ◌ carries an accent that belongs to a letter of another token.

    >>> visible(b" dog"), visible("日".encode()), visible("日".encode()[:2])
    ('␣dog', '日', '<e6 97>')
    """
    text = token.decode("utf-8", "surrogateescape")  # a byte that is no character becomes half a surrogate pair
    shown = "".join(map(_sign, text))
    if text and unicodedata.combining(text[0]):
        shown = "◌" + shown
    return _BYTES.sub(lambda bytes_: f"<{bytes_[0].encode('utf-8', 'surrogateescape').hex(' ')}>", shown)


_SIGNS = {" ": "␣", "\n": "↵", "\t": "⇥"}
_BYTES = re.compile("[\udc80-\udcff]+")


def _sign(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    return character if character.isprintable() or _BYTES.match(character) else f"<{ord(character):x}>"


def learning_steps(corpus: Mapping[str, int], tokenizer: Tokenizer) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield each merge of a tokenizer that was learned from `corpus`, with how often its pair occurred at the time."""
    words = {word: [bytes([byte]) for byte in text_to_bytes(word)] for word in corpus}
    for pair in tokenizer.merges:
        totals: Counter[Pair] = Counter()
        for word, parts in words.items():
            for neighbours in pairwise(parts):
                totals[neighbours] += corpus[word]
        yield *pair, totals[pair]
        words = {word: join_pair(parts, pair) for word, parts in words.items()}


def encoding_steps(pretoken: bytes, ranks: Mapping[Pair, int]) -> Iterator[tuple[Pair | None, list[bytes]]]:
    """Yield (the merge just applied, parts after it), beginning with (None, single bytes)."""
    parts = [bytes([byte]) for byte in pretoken]
    yield None, parts
    while found := [pair for pair in pairwise(parts) if pair in ranks]:
        pair = min(found, key=ranks.__getitem__)
        parts = join_pair(parts, pair)
        yield pair, parts


def terminal(tokenizer: Tokenizer, text: str, *, corpus: Mapping[str, int] | None = None, colour: bool = False) -> str:
    """Return how `text` is encoded, as lines for a terminal; with `corpus`, first how the merges were learned."""
    paint = _Paint(colour)
    lines: list[str] = []
    if corpus is not None:
        lines.append(paint.bold("Learning") + " from " + ", ".join(f"{word} ×{n}" for word, n in corpus.items()))
        lines += [
            f"{number:>6}  {f'{visible(left)} + {visible(right)}':<16}  {count} times  {paint.token(left + right)}"
            for number, (left, right, count) in enumerate(learning_steps(corpus, tokenizer), 1)
        ]
        lines.append("")
    pretokens = tokenizer.pretokenize(text)
    ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    lines.append(paint.bold("Encoding") + f" {text!r}: {_count(len(pretokens), 'pre-token')}")
    for pretoken in dict.fromkeys(pretokens):
        lines.append("")
        if pretoken in tokenizer.protected_terms:
            lines.append(f"{'':>6}  {'protected term':<16}  {paint.token(text_to_bytes(pretoken))}")
            continue
        for pair, parts in encoding_steps(text_to_bytes(pretoken), ranks):
            number, merge, made = "", "bytes", b""
            if pair is not None:
                number, merge, made = str(ranks[pair] + 1), f"{visible(pair[0])} + {visible(pair[1])}", b"".join(pair)
            shown = " ".join(paint.token(part) if part == made else visible(part) for part in parts)
            lines.append(f"{number:>6}  {merge:<16}  {shown}")
    ids = tokenizer.encode(text)
    tokens = [tokenizer.vocabulary[token_id] for token_id in ids]
    lines += ["", paint.bold("Tokens") + "  " + " ".join(map(paint.token, tokens))]
    lines.append(paint.bold("Ids") + "     " + " ".join(map(str, ids)))
    lines.append(
        f"{_count(len(text), 'character')}, {_count(len(text_to_bytes(text)), 'byte')}, {_count(len(ids), 'token')}"
    )
    return "\n".join(lines) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Paint:
    """ANSI colours, or none: one for each token, always the same."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def token(self, token: bytes) -> str:
        text = visible(token)
        return f"\x1b[30;48;5;{_PALETTE[sum(token) % len(_PALETTE)]}m{text}\x1b[0m" if self._colour else f"[{text}]"

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._colour else text


_PALETTE = (114, 117, 180, 183, 210, 222, 152, 150, 217, 189)  # light backgrounds of the 256 terminal colours


def page(tokenizer: Tokenizer, text: str, *, source: str) -> str:
    """Return one self-contained HTML page on which a slider applies the merges to `text` one by one.

    source: tells the reader where the tokenizer comes from.
    """
    ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    groups: list[list[bytes]] = []
    applied: set[Pair] = set()
    for pretoken in tokenizer.pretokenize(text):
        data = text_to_bytes(pretoken)
        if pretoken in tokenizer.protected_terms:
            groups.append([data])
        else:
            groups.append([bytes([byte]) for byte in data])
            applied.update(pair for pair, _ in encoding_steps(data, ranks) if pair is not None)
    merges = sorted(applied, key=ranks.__getitem__)
    ids = {token: token_id for token_id, token in tokenizer.vocabulary.items()}
    used = {token for group in groups for token in group} | {left + right for left, right in merges}
    content = {
        "pretokens": [[token.hex() for token in group] for group in groups],
        "merges": [[ranks[pair] + 1, pair[0].hex(), pair[1].hex()] for pair in merges],
        "ids": {token.hex(): ids[token] for token in sorted(used)},
        "labels": {token.hex(): visible(token) for token in sorted(used)},
        "characters": len(text),
        "source": source,
        "learned": len(tokenizer.merges),
    }
    template = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    # In a script element only "<" could end it early.
    return template.replace("@DATA@", json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"))
