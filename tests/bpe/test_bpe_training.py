"""Learning merges: the incremental learner equals recounting everything, for any corpus."""

import os
import subprocess
import sys
import tracemalloc
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bpe
from bpe import TokenizerError, counting, reference, train
from bpe.counting import PretokenCounter, count_pretokens
from bpe.training import learn_merges

# Few letters and small counts: overlapping pairs ("aaaa", "abab") and ties everywhere.
PRETOKENS = st.binary(min_size=1, max_size=12) | st.text("ab", min_size=1, max_size=14).map(str.encode)
CORPORA = st.dictionaries(PRETOKENS, st.integers(1, 4), max_size=12)


@given(counts=CORPORA, number=st.integers(0, 40), minimum_frequency=st.integers(1, 4))
def test_equals_recounting_everything(counts, number, minimum_frequency):
    expected = reference.learn_merges(counts, number, minimum_frequency)
    assert learn_merges(counts, number, minimum_frequency=minimum_frequency) == expected


@pytest.mark.parametrize("word", [b"a" * n for n in range(2, 20)] + [b"ab" * 7 + b"a", b"aab" * 5, b"abba" * 4])
def test_overlapping_pairs_equal_recounting(word):
    counts = {word: 2, word[1:] or b"x": 3}
    assert learn_merges(counts, 30, minimum_frequency=1) == reference.learn_merges(counts, 30, 1)


def test_equal_counts_are_settled_by_the_bytes_and_not_by_the_order_of_the_corpus():
    words = [b"zx", b"ba", b"ab", b"\xff\x00", b"aa"]
    expected = [(b"a", b"a"), (b"a", b"b"), (b"b", b"a"), (b"z", b"x"), (b"\xff", b"\x00")]
    for rotation in range(len(words)):
        counts = dict.fromkeys(words[rotation:] + words[:rotation], 5)
        assert learn_merges(counts, 10) == expected


def test_tie_key_replaces_the_bytes():
    counts = {b"ab": 5, b"cd": 5}
    assert learn_merges(counts, 1, tie_key=lambda symbol, token: -symbol) == [(b"c", b"d")]


def test_sennrich_example():
    corpus = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    tokenizer = bpe.train(corpus, 256 + 10, special_tokens=())
    assert tokenizer.merges[:4] == [(b"e", b"s"), (b"es", b"t"), (b"l", b"o"), (b"lo", b"w")]
    assert [tokenizer.vocabulary[i] for i in tokenizer.encode("lowest")] == [b"low", b"est"]


def test_size_counts_special_tokens_bytes_and_terms():
    lines = ["the cat sat on the mat with the other cat"] * 3
    tokenizer = bpe.train(lines, 270, special_tokens=["<a>", "<b>"], protected_terms=["cat"])
    assert len(tokenizer) == 270
    assert tokenizer.special_tokens == {"<a>": 0, "<b>": 1}
    assert sorted(tokenizer.vocabulary) == list(range(270))
    assert len(tokenizer.merges) == 270 - 2 - 256 - 1


def test_default_special_tokens_come_first_then_the_bytes():
    tokenizer = bpe.train(["aa aa"], 260)
    assert tokenizer.special_tokens == {"<pad>": 0, "<bos>": 1, "<eos>": 2}
    assert [tokenizer.vocabulary[3 + byte] for byte in range(256)] == [bytes([byte]) for byte in range(256)]
    assert tokenizer.vocabulary[259] == b"aa"


def test_a_size_out_of_reach_stops_early_and_says_so():
    with pytest.warns(UserWarning, match=r"stops at 261 of 300 tokens: no pair is left that occurs 2 times"):
        tokenizer = bpe.train(["abc abc"], 300)  # ab, abc; the space comes once
    assert len(tokenizer) == 261


def test_minimum_frequency_reaches_training():
    lines = ["ab ab ab", "cd cd"]
    with pytest.warns(UserWarning, match="occurs 3 times"):
        often = bpe.train(lines, 300, minimum_frequency=3)
    assert often.merges == [(b"a", b"b")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": ["a"], "vocabulary_size": 258}, r"258 is too small: 3 special tokens, 256 bytes and 0 protected"),
        ({"texts": ["a"], "vocabulary_size": -1}, "too small"),
        ({"texts": "abc", "vocabulary_size": 300}, "iterable of texts, not one str"),
        ({"texts": [b"abc"], "vocabulary_size": 300}, "type str, not bytes"),
        ({"texts": ["a"], "vocabulary_size": 300, "pattern": "("}, r"'\(' does not compile: missing \)"),
        ({"texts": ["a"], "vocabulary_size": 300, "pattern": "x*"}, "matches an empty string"),
        ({"texts": ["a"], "vocabulary_size": 300, "pattern": r"\b"}, "matches an empty string"),
        ({"texts": ["a"], "vocabulary_size": 300, "minimum_frequency": 0}, "at least 1, not 0"),
        ({"texts": ["a"], "vocabulary_size": 300, "special_tokens": ["<s>", "<s>"]}, "'<s>' is given twice"),
        ({"texts": ["a"], "vocabulary_size": 300, "special_tokens": "<s>"}, "not one str"),
        ({"texts": ["a"], "vocabulary_size": 300, "special_tokens": [""]}, "at least one character"),
        ({"texts": ["a"], "vocabulary_size": 300, "protected_terms": "ab"}, "not one str"),
        ({"texts": ["a"], "vocabulary_size": 300, "protected_terms": [""]}, "at least one character"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(bpe.TokenizerError, match=message):
        bpe.train(**arguments)


def test_texts_are_read_once_and_not_kept():
    def stream():
        for number in range(1000):
            yield f"line {number % 7} of a stream"

    tokenizer = bpe.train(stream(), 270)
    assert tokenizer.decode(tokenizer.encode("line 3 of a stream")) == "line 3 of a stream"


MESSY = st.text("ab.'s \n\t\xa0\x1c\u2003", max_size=20)


@given(texts=st.lists(MESSY, max_size=8), pattern=st.sampled_from([bpe.GPT2_PATTERN, bpe.CL100K_PATTERN, r"[ab]+"]))
def test_counting_words_first_equals_splitting_every_text(texts, pattern):
    split = bpe.Tokenizer([], pattern=pattern)._pretokenizer.split
    expected = Counter(piece.encode() for text in texts for piece in split(text))
    assert count_pretokens(texts, pattern) == expected


def test_counting_gives_up_its_words_when_there_are_too_many(monkeypatch):
    texts = [f"{a} {b} {a}{b}." for a in "abcdef" for b in "uvwxyz"]
    expected = count_pretokens(texts)
    monkeypatch.setattr("bpe.counting._BATCH", 8)
    monkeypatch.setattr("bpe.counting._DISTINCT", 16)
    assert count_pretokens(texts) == expected
    counter = PretokenCounter(bpe.GPT2_PATTERN)
    for text in texts:
        counter.add(text)
        assert len(counter._first) + len(counter._later) <= 16 + 12


def test_memory_grows_with_the_distinct_words_and_not_with_the_corpus(monkeypatch):
    monkeypatch.setattr("bpe.counting._BATCH", 1000)

    def peak(lines):
        tracemalloc.start()
        count_pretokens(f"line {number % 500} of a long stream" for number in range(lines))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1000)  # what is loaded at first use
    assert peak(20_000) < 1.1 * peak(2000)


def test_protected_terms_are_not_learned_from():
    tokenizer = bpe.train(["New York New York xy xy"] * 2, 262, protected_terms=["New York"])
    assert tokenizer.merges == [(b" ", b"x"), (b" x", b"y")]


def test_processes_do_not_change_the_counts(monkeypatch):
    monkeypatch.setattr("bpe.counting._SHARE", 2000)
    texts = [f"text {number} of {number % 13} words" for number in range(1000)]
    reports = []
    counts = count_pretokens(texts, processes=2, progress=lambda *report: reports.append(report))
    assert counts == count_pretokens(texts)
    assert reports[-1] == ("counting texts", 1000, None)


def test_progress_is_reported():
    reports = []
    words = [f"w{number}x{number * 7 % 101}" for number in range(300)]
    bpe.train([" ".join(words)] + ["x y"] * 8192, 340, progress=lambda *report: reports.append(report))
    assert ("counting texts", 8192, None) in reports
    assert any(stage == "learning merges" and of == 340 - 259 for stage, _, of in reports)


def test_the_result_does_not_depend_on_the_seed_of_python_hashes():
    program = (
        "import bpe; print(bpe.train(['the cat sat on the mat', 'that cat is fat', 'abab baba'] * 3, 300,"
        " minimum_frequency=1).digest)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    digests = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def a_long_tail(words: int) -> list[str]:
    """Frequent words among many that occur once."""
    return [f"the new tower {number}x{number * 7919}" for number in range(words)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_bound_on_pretokens_keeps_the_frequent_ones(processes, monkeypatch):
    monkeypatch.setattr(counting, "_DISTINCT", 100)
    monkeypatch.setattr(counting, "_BATCH", 50)
    monkeypatch.setattr(counting, "_SHARE", 2000)
    texts = a_long_tail(2000)
    exact = count_pretokens(texts)
    bounded = count_pretokens(texts, processes=processes, most_pretokens=200)
    assert len(exact) > 1000
    assert len(bounded) <= 200
    assert all(bounded[word] == exact[word] == 2000 for word in (b"the", b" new", b" tower"))
    assert all(bounded[word] <= exact[word] for word in bounded)


@pytest.mark.parametrize("processes", [1, 2])
def test_below_the_bound_every_count_is_exact(processes):
    texts = a_long_tail(300)
    exact = count_pretokens(texts)
    assert count_pretokens(texts, processes=processes, most_pretokens=len(exact)) == exact
    tokenizers = [train(texts, 300, processes=processes, most_pretokens=most) for most in (None, len(exact))]
    assert tokenizers[0].digest == tokenizers[1].digest


def test_an_impossible_bound_is_told():
    with pytest.raises(TokenizerError, match="most_pretokens must be at least 1, not 0"):
        train(["a"], 300, most_pretokens=0)
