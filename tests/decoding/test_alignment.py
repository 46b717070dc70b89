"""Hard word alignments: words and their tokens, the links of a sentence, and lines of any kind through the program."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeing_example import LINES, random_translator

from numpy_transformer.decoding.alignment import Alignment, align_words, attended, pharaoh, words_of_tokens
from numpy_transformer.decoding.attention_weights import attention_weights
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.streaming import Translated, translate_lines
from numpy_transformer.translation.translator import Translator

SPACED = st.text(st.sampled_from("ab. \t\u00a0\u3000\n\x1c\u2028ü漢😀"), max_size=12)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return random_translator(23)  # one that writes many short words


@given(text=SPACED, data=st.data())
def test_words_of_tokens_are_those_of_str_split(text, data):
    """However the bytes are cut into tokens, the tokens of each word together have its bytes and no other word's."""
    whole = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(whole) - 1))))) if len(whole) > 1 else []
    tokens = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    members = words_of_tokens(tokens)
    words = text.split()
    assert members.shape == (len(words), len(tokens))
    for word, row in zip(words, members, strict=True):
        own = np.flatnonzero(row)
        assert (np.diff(own) == 1).all()
        assert word.encode() in b"".join(tokens[i] for i in own)
        for i in own:  # without it, something of the word is missing
            assert word.encode() not in b"".join(tokens[j] for j in own if j < i)


def test_bytes_that_are_no_text_are_part_of_a_word():
    np.testing.assert_array_equal(
        words_of_tokens([b"a", b" \xff", b"\xed\xa0\x80", b" b"]), [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    )


def test_a_word_is_linked_to_the_source_word_of_whose_attention_it_has_most():
    """All words give the full stop most attention; the share decides."""
    source, target = [b"red", b" do", b"gs", b" ."], [b"rote", b" Hun", b"de", b" ."]
    weights = np.array(
        [
            [0.4, 0.0, 0.1, 0.5],
            [0.1, 0.1, 0.3, 0.5],
            [0.0, 0.3, 0.1, 0.6],
            [0.0, 0.1, 0.1, 0.8],
        ]
    )
    assert align_words(weights, source, target) == ((0, 0), (1, 1), (2, 2))
    assert pharaoh(((0, 0), (1, 1), (2, 2))) == "0-0 1-1 2-2"
    assert align_words(np.zeros((1, 0)), [], [b"x"]) == align_words(np.zeros((0, 1)), [b"x"], []) == ()


def naive_links(weights: np.ndarray, source: Sequence[bytes], target: Sequence[bytes]) -> list[tuple[int, int]]:
    """The formula of the module, word by word, from what each word's tokens are."""
    between = [
        [np.mean([sum(weights[t, s] for s in own) for t in others]) for own in words(source)]
        for others in words(target)
    ]
    links = []
    for j, row in enumerate(between):
        shares = [m / sum(other[i] for other in between) for i, m in enumerate(row)]
        links.append((int(np.argmax(shares)), j))
    return links


def words(tokens: Sequence[bytes]) -> list[list[int]]:
    """The tokens of each word, where a word begins with the token that begins with a space."""
    found: list[list[int]] = []
    for i, token in enumerate(tokens):
        if i == 0 or token.startswith(b" "):
            found.append([])
        found[-1].append(i)
    return found


@given(seed=st.integers(0, 10**6), data=st.data())
def test_links_follow_the_formula(seed, data):
    side = st.lists(st.sampled_from([b"a", b" a", b"b.", b" b"]), min_size=1, max_size=6)
    source, target = data.draw(side), data.draw(side)
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(source) + 1), size=len(target))[:, :-1]
    assert list(align_words(weights, source, target)) == naive_links(weights, source, target)


def test_attention_is_the_mean_of_the_last_layers_heads_whatever_the_padding(translator):
    model = translator.model
    pairs = [([5, 6, 7, 2], [8, 2]), ([9, 2], [5, 6, 7, 2])]
    source, target = np.array([[5, 6, 7, 2], [9, 2, 0, 0]]), np.array([[8, 2, 0, 0], [5, 6, 7, 2]])
    together = attended([model, model], source, target)
    for row, (one_source, one_target) in enumerate(pairs):
        expected = attention_weights(model, one_source, one_target).cross[-2:].mean(axis=(0, 1))
        np.testing.assert_allclose(together[row, : len(one_target), : len(one_source)], expected, atol=1e-6)


def translated(translator: Translator, lines: Sequence[str], **options: object) -> list[Translated]:
    return list(translate_lines(translator, lines, search=SearchOptions(beam=2, n_best=2), alignments=True, **options))


texts = st.lists(st.one_of(st.sampled_from([*LINES[:5], "", "  "]), SPACED), min_size=1, max_size=6)


@given(lines=texts)
@settings(max_examples=25)
def test_each_line_has_a_link_for_each_word(translator, lines):
    found = translated(translator, lines)
    for line, one in zip(lines, found, strict=True):
        best = one.hypotheses[0]
        assert [j for _, j in best.alignment] == list(range(len(best.text.split()) if line.strip() else 0))
        assert all(0 <= i < len(line.split()) for i, _ in best.alignment)
        [alone] = translated(translator, [line])
        assert alone.hypotheses[0].alignment == best.alignment


def test_a_line_in_parts_counts_the_words_of_the_line(translator):
    line = " The dog runs.  We see a house! Dogs run."
    [joined] = translated(translator, [line], sentences=True)
    assert joined.parts == 3
    single = [one.hypotheses[0] for one in translated(translator, ["The dog runs.", "We see a house!", "Dogs run."])]
    expected, target_words = [], 0
    for one, source_words in zip(single, (0, 3, 7), strict=True):
        expected += [(i + source_words, j + target_words) for i, j in one.alignment]
        target_words += len(one.text.split())
    assert list(joined.hypotheses[0].alignment) == expected


def test_a_line_cut_within_a_word_stays_one_word(translator):
    [joined] = translated(translator, ["x" * 1200 + " dog"])
    assert joined.parts > 1
    assert {i for i, _ in joined.hypotheses[0].alignment} == {0, 1}


def test_workers_align_as_one_process_does(translator):
    lines = [*LINES, "", "We see. Dogs run."] * 3

    def links(workers: int) -> list[Alignment]:
        return [one.hypotheses[0].alignment for one in translated(translator, lines, workers=workers, sentences=True)]

    assert links(2) == links(1)
