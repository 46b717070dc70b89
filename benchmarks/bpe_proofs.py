# ruff: noqa: E402  (the search path must be set before the packages are imported)
"""The proofs of the BPE at full size; the tests have a shorter form of each.

    python benchmarks/bpe_proofs.py [PROOF ...] [--strings N] [--seed N] [--data-dir DIR] [--output PATH]

ids        with the same vocabulary, our ids are those of tiktoken and of Hugging Face tokenizers, on every line of
           Multi30k and Tatoeba and on 100,000 generated strings, for both well-known split patterns
learning   the merges of Hugging Face's trainer on Multi30k, all of them, with ties broken by its rule; and where ours,
           with ties broken by the bytes, first differs
fuzz       decode(encode(s)) == s for 1,000,000 generated strings, including lone surrogates and spelled-out special
           tokens; no special id; on every tenth string, the ids of the reference in bpe/reference.py

Exit status 1 if a proof fails.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # benchmarks/bpe.py is called bpe too

import argparse
import base64
import random
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

import bpe
from benchmarks.bpe_corpora import Report, data_folder, multi30k, tatoeba
from bpe import reference
from bpe.counting import count_pretokens
from bpe.formats import read_huggingface, write_huggingface, write_tiktoken
from bpe.pretokenizer import PreTokenizer, byte_alphabet, text_to_bytes
from bpe.training import learn_merges

SIZE = 8000

SCRIPTS = (
    (0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F),
    (0xE00, 0xE7F), (0x1100, 0x11FF), (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1F6FF),
)  # fmt: skip
SPELLINGS = ("<pad>", "<bos>", "<eos>", "<pad", "pad>", "< eos >", "<EOS>", "<<eos>>", "\n<bos>", "&lt;eos&gt;")
SPACES = (" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u2003", "\u3000", "\u2028", "\x0b", "\x1c", "\x85", "\u200b")


def strings(number: int, lines: list[str], seed: int, *, surrogates: bool) -> Iterator[str]:
    """Yield generated strings, of seven kinds in turn.

    Without `surrogates`, only strings that other tokenizers accept: no lone surrogates, no special tokens, and only
    code points assigned in the Unicode version of this Python, since beyond it their tables of letters differ.
    """
    draw = random.Random(seed)

    def character(low: int = 0, high: int = 0x10FFFF) -> str:
        while True:
            found = chr(draw.randint(low, high))
            if surrogates or unicodedata.category(found) not in ("Cn", "Cs", "Co"):
                return found

    def any_characters() -> str:
        return "".join(character() for _ in range(draw.randint(0, 12)))

    def scripts() -> str:
        parts = []
        for _ in range(draw.randint(1, 4)):
            low, high = draw.choice(SCRIPTS)
            parts += [character(low, high) for _ in range(draw.randint(1, 6))]
            parts.append(draw.choice(("", " ", "'", "-", ".")))
        return "".join(parts)

    def emoji() -> str:
        signs = [
            chr(draw.randint(0x1F300, 0x1F64F)) + draw.choice(("", "\u200d", "\ufe0f", "\U0001f3fd")) for _ in range(4)
        ]
        return "".join(signs) + draw.choice(("", "🇩🇪", "👩‍👩‍👧", "1️⃣", " "))

    def controls() -> str:
        return "".join(chr(draw.choice((*range(32), *range(127, 160), 65, 32))) for _ in range(draw.randint(1, 20)))

    def spaces() -> str:
        return "".join(draw.choice((*SPACES, "a", "Wort", "1", ".", "'s")) for _ in range(draw.randint(1, 14)))

    def mutated() -> str:
        line = list(draw.choice(lines)[:60])
        for _ in range(draw.randint(1, 4)):
            place = draw.randint(0, len(line))
            line[place : place + draw.randint(0, 2)] = [
                draw.choice(("", " ", "ß", "'", "9", draw.choice(SPACES), character()))
            ]
        return "".join(line)

    def special() -> str:
        return "".join(
            draw.choice((*SPELLINGS, "\ud83d", "\ude00", "\udfff", "x", " ")) for _ in range(draw.randint(1, 6))
        )

    kinds: list[Callable[[], str]] = [any_characters, scripts, emoji, controls, spaces, mutated]
    if surrogates:
        kinds.append(special)
    for index in range(number):
        yield kinds[index % len(kinds)]()


def prove_ids(report: Report, lines: dict[str, list[str]], options: argparse.Namespace) -> bool:
    """Our ids, tiktoken's and Hugging Face's."""
    texts = dict(lines)
    sample = lines["multi30k"] + lines["tatoeba"]
    count = options.strings or 100_000
    texts["generated"] = list(strings(count, sample, options.seed, surrogates=False))
    good = True
    for name, pattern in (("gpt2", bpe.GPT2_PATTERN), ("cl100k", bpe.CL100K_PATTERN)):
        tokenizer = bpe.train(lines["multi30k"], SIZE, pattern=pattern)
        with tempfile.TemporaryDirectory() as folder:
            write_huggingface(tokenizer, Path(folder, "tokenizer.json"))
            write_tiktoken(tokenizer, Path(folder, "ranks"))
            assert read_huggingface(Path(folder, "tokenizer.json")).digest == tokenizer.digest
            for peer, encode in _peers(tokenizer, Path(folder)).items():
                for corpus, found in texts.items():
                    different = [
                        text
                        for start in range(0, len(found), 10_000)
                        for text, ours, theirs in zip(
                            found[start : start + 10_000],
                            tokenizer.encode_batch(found[start : start + 10_000]),
                            encode(found[start : start + 10_000]),
                            strict=True,
                        )
                        if ours != theirs
                    ]
                    good &= not different
                    report(f"ids, {name:<6} {peer:<10} {corpus:<10} {len(found):>8,} texts, {len(different)} differ")
                    for text in different[:3]:
                        report(f"    {text!a}")
    return good


def _peers(tokenizer: bpe.Tokenizer, folder: Path) -> dict[str, Callable[[list[str]], list[list[int]]]]:
    import tiktoken
    import tokenizers

    pairs = [line.split() for line in (folder / "ranks").read_text().splitlines()]
    encoding = tiktoken.Encoding(
        "ours",
        pat_str=tokenizer.pattern,
        mergeable_ranks={base64.b64decode(token): int(rank) for token, rank in pairs},
        special_tokens=tokenizer.special_tokens,
    )
    huggingface = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    huggingface.encode_special_tokens = True
    return {
        "tiktoken": lambda texts: [encoding.encode_ordinary(text) for text in texts],
        "tokenizers": lambda texts: [result.ids for result in huggingface.encode_batch(texts)],
    }


def prove_learning(report: Report, lines: dict[str, list[str]], options: argparse.Namespace) -> bool:
    """Our merges and Hugging Face's."""
    import json

    import tokenizers

    corpus = lines["multi30k"]
    peer = tokenizers.Tokenizer(tokenizers.models.BPE())
    peer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=SIZE - 3, show_progress=False, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()
    )
    peer.train_from_iterator(corpus, trainer)
    letters = {character: bytes([byte]) for byte, character in enumerate(byte_alphabet())}
    theirs = [
        (b"".join(letters[c] for c in left), b"".join(letters[c] for c in right))
        for left, right in json.loads(peer.to_str())["model"]["merges"]
    ]
    counts = count_pretokens(corpus)
    # Its rule: of equal counts the smaller pair of ids, which are the byte alphabet in the order of its code
    # points, then the merges as learned.
    order = sorted(byte_alphabet())
    place = [order.index(character) for character in byte_alphabet()]

    def by_id(symbol: int, token: bytes) -> Any:
        return place[symbol] if symbol < 256 else symbol

    by_their_rule = learn_merges(counts, len(theirs), tie_key=by_id)
    ours = learn_merges(counts, len(theirs))
    report(f"learning: {len(theirs):,} merges by Hugging Face's trainer on Multi30k")
    report(
        "learning: ours with ties by its rule (smaller ids first): "
        + ("equal" if by_their_rule == theirs else "DIFFERENT")
    )
    first = next((number for number, pair in enumerate(ours) if pair != theirs[number]), None)
    if first is not None:
        totals = _pair_counts(counts, ours[:first])
        mine, other = ours[first], theirs[first]
        report(
            f"learning: ours with ties by bytes first differs at merge {first}: {mine} and {other}, "
            f"which occur {totals[mine]} and {totals[other]} times"
        )
        report(f"learning: {len(set(ours) & set(theirs)):,} of {len(ours):,} merges are the same")
        if totals[mine] != totals[other]:
            return False
    return by_their_rule == theirs


def _pair_counts(counts: dict[bytes, int], merges: list[reference.Pair]) -> dict[reference.Pair, int]:
    """How often each pair of neighbours occurs after `merges`, counted afresh."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    totals: dict[reference.Pair, int] = {}
    for pretoken, count in counts.items():
        word = reference.apply_merges(pretoken, ranks)
        for pair in pairwise(word):
            totals[pair] = totals.get(pair, 0) + count
    return totals


def prove_fuzz(report: Report, lines: dict[str, list[str]], options: argparse.Namespace) -> bool:
    """Lossless, no special id, equal to the reference."""
    tokenizer = bpe.train(lines["multi30k"], SIZE)
    ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    ids_of = {token: token_id for token_id, token in tokenizer.text_vocabulary.items()}
    split = PreTokenizer(tokenizer.pattern).split
    special = set(tokenizer.special_tokens.values())

    @lru_cache(maxsize=1 << 16)
    def naive(piece: str) -> list[int]:
        return [ids_of[part] for part in reference.apply_merges(text_to_bytes(piece), ranks)]

    number = options.strings or 1_000_000
    lossy = with_special = unequal = compared = characters = 0
    for index, text in enumerate(strings(number, lines["multi30k"] + lines["tatoeba"], options.seed, surrogates=True)):
        ids = tokenizer.encode(text)
        characters += len(text)
        bad = tokenizer.decode(ids) != text
        lossy += bad
        with_special += not special.isdisjoint(ids)
        if index % 10 == 0:
            compared += 1
            wrong = ids != [token_id for piece in split(text) for token_id in naive(piece)]
            unequal += wrong
            bad |= wrong
        if bad:
            report(f"    {text!a}")
    report(
        f"fuzz: {number:,} strings, {characters:,} characters: {lossy} not given back, {with_special} with a special id"
    )
    report(f"fuzz: {compared:,} compared with the reference: {unequal} differ")
    return not (lossy or with_special or unequal)


def main() -> int:
    """Run the proofs asked for; return the exit status."""
    proofs = {"ids": prove_ids, "learning": prove_learning, "fuzz": prove_fuzz}
    parser = argparse.ArgumentParser(description="Proofs of the BPE at full size.")
    parser.add_argument("proofs", nargs="*", choices=[*proofs, []], metavar="PROOF", help=", ".join(proofs))
    parser.add_argument("--strings", type=int, help="generated strings (100,000 for ids, 1,000,000 for fuzz)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    parser.add_argument("--output", metavar="PATH", help="write PATH.txt and PATH.json")
    options = parser.parse_args()
    folder = data_folder(options.data_dir)
    lines = {
        "multi30k": multi30k(folder, ("train", "val", "test_2016_flickr")),
        "tatoeba": tatoeba(folder, ("train", "valid")),
    }
    report = Report()
    results = {}
    for name in options.proofs or proofs:
        start = time.perf_counter()
        results[name] = proofs[name](report, lines, options)
        report(f"{name}: {'passed' if results[name] else 'FAILED'} in {time.perf_counter() - start:.0f} s\n")
    report.values["passed"] = results
    report.write(options.output)
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
