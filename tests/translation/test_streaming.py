"""The streaming layer: any number of lines, the same translations whatever the window and the number of workers."""

import itertools
import multiprocessing
import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeing_example import random_translator

import bpe
import numpy_transformer as nt
from numpy_transformer.decoding import demanding_search
from numpy_transformer.decoding.beam import beam_search
from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.decoding.scoring import Done
from numpy_transformer.errors import InputError
from numpy_transformer.translation import streaming
from numpy_transformer.translation.hypothesis import Hypothesis
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.streaming import LONGEST_PART, Translated, translate_lines
from numpy_transformer.translation.text_errors import TextError
from numpy_transformer.translation.translator import Translator

LINES = ["the dog runs home", "a cat sees the dog", "we see a house", "the house sees us", "dogs run"] * 4
SEARCH = SearchOptions(beam=2)


@pytest.fixture(scope="module")
def translator() -> Translator:
    tokenizer = bpe.train(LINES, vocabulary_size=275)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=16, d_ff=24, heads=2
    )
    model = nt.Transformer(config, seed=0)
    model.parameters.flat[...] += np.random.default_rng(0).normal(size=model.parameters.flat.shape) * 0.3
    model.parameters.tree.embedding.weight[config.eos_id] *= 1.5
    return Translator(model, tokenizer)


some_lines = st.lists(st.one_of(st.sampled_from([*LINES[:5], "", "  "]), st.text(max_size=20)), max_size=12)


@given(lines=some_lines, window=st.integers(1, 5), workers=st.integers(1, 3))
@settings(max_examples=20)
def test_neither_window_nor_workers_can_be_seen_in_the_output(translator, lines, window, workers):
    found = list(translate_lines(translator, lines, search=SEARCH, workers=workers, window_lines=window))
    assert [one.source for one in found] == lines
    assert [one.parts for one in found] == [1 if line.strip() else 0 for line in lines]
    expected = translator.search(lines, SEARCH)
    for one, [best] in zip(found, expected, strict=True):
        assert [hypothesis.ids for hypothesis in one.hypotheses] == [best.ids]
        assert one.hypotheses[0].score == pytest.approx(best.score, abs=1e-5)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_than_two_windows_are_read_ahead(translator, workers):
    """However long the input is: here it has no end."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "the dog"

    stream = translate_lines(translator, endless(), search=SearchOptions(beam=1), workers=workers, window_lines=4)
    for number, _ in enumerate(itertools.islice(stream, 20), 1):
        assert read <= number + 2 * 4
    stream.close()
    assert not any("ThreadPool" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("workers", [1, 2])
def test_one_line_at_a_time_answers_before_it_reads_on(translator, workers):
    answered: list[str] = []

    def lines() -> Iterator[str]:
        for number in range(3):
            assert len(answered) == number
            yield "the dog"

    for one in translate_lines(translator, lines(), search=SearchOptions(beam=1), workers=workers, window_lines=1):
        answered += [one.source]
    assert answered == ["the dog"] * 3


def test_few_huge_lines_fill_a_window(translator, monkeypatch):
    monkeypatch.setattr(streaming, "WINDOW_CHARACTERS", 10)
    assert [len(window) for window in streaming.read_windows(["123456", "123456", "", "1"], 100)] == [2, 2]


def test_a_line_that_is_too_long_is_translated_in_parts(translator):
    line = "the dog runs home. " * 60 + "x" * 600 + " A cat sees the dog."
    [one] = translate_lines(translator, [line], search=SEARCH)
    parts = streaming.line_parts(line, translator, sentences=False)
    assert one.parts == len(parts) > 2
    assert all(len(translator.tokenizer.encode(part)) <= LONGEST_PART for part in parts)
    assert "".join(parts).replace(" ", "") == line.replace(" ", "")
    expected = translator.search(parts, SEARCH)
    assert one.hypotheses[0].text == " ".join(best.text for best, *_ in expected)
    assert one.hypotheses[0].score == pytest.approx(sum(best.score for best, *_ in expected), rel=1e-5)


def test_paragraphs_are_split_into_sentences_where_wanted(translator):
    line = "We see a house. Dogs run."
    [whole] = translate_lines(translator, [line], search=SEARCH)
    [split] = translate_lines(translator, [line], search=SEARCH, sentences=True)
    assert (whole.parts, split.parts) == (1, 2)
    assert split.hypotheses[0].text == " ".join(translator.translate(["We see a house.", "Dogs run."], beam=2))


def test_the_n_best_of_parts_are_joined_rank_by_rank():
    def one(text: str) -> Hypothesis:
        return Hypothesis(text, [len(text)], -1.0, -0.5)

    joined = streaming._joined("x y", ["x", "y"], [[one("a"), one("bb")], [one("c")]])
    assert joined == [Hypothesis("a c", [1, 1], -2.0, -1.0), Hypothesis("bb c", [2, 1], -2.0, -1.0)]


def test_an_error_in_the_input_comes_after_the_windows_before_it(translator):
    def lines() -> Iterator[str]:
        yield from ["the dog"] * 4
        raise OSError("the disk is gone")

    stream = translate_lines(translator, lines(), search=SearchOptions(beam=1), workers=2, window_lines=2)
    found: list[Translated] = []
    with pytest.raises(OSError, match="the disk is gone"):
        found.extend(stream)
    assert len(found) in (0, 2)  # list.extend keeps what came before


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_translated_is_named_by_its_line(translator, monkeypatch, workers):
    def refuses(texts: list[str], _: SearchOptions, *, done: Done | None) -> list[list[Hypothesis]]:
        for number, text in enumerate(texts, 1):
            if text == "no way.":
                raise TextError(number, "is refused")
        return [[Hypothesis(text, [], 0.0, 0.0)] for text in texts]

    monkeypatch.setattr(translator, "search", refuses)
    lines = ["One. Two. Three.", "", "four", "five", "It is! no way.", "six"]
    monkeypatch.setattr(streaming, "split_sentences", lambda text: text.replace("! ", "!|").split("|"))
    stream = translate_lines(translator, lines, search=SearchOptions(), workers=workers, sentences=True, window_lines=3)
    with pytest.raises(TextError, match="line 5 is refused"):
        list(stream)


@pytest.mark.parametrize("unit", ["x", "the dog runs home. ", "雪", "the dog "])
def test_a_line_of_a_million_characters(translator, monkeypatch, unit):
    """Long lines are cut into parts that fit, with nothing lost; their translations do not matter here."""

    def echo(texts: list[str], _: SearchOptions, *, done: Done | None) -> list[list[Hypothesis]]:
        assert all(len(translator.tokenizer.encode(text)) <= LONGEST_PART for text in texts)
        return [[Hypothesis(text, [], 0.0, 0.0)] for text in texts]

    monkeypatch.setattr(translator, "search", echo)
    line = unit * (1_000_000 // len(unit))
    [one] = translate_lines(translator, [line], search=SearchOptions())
    assert one.parts > 100
    assert one.hypotheses[0].text.replace(" ", "") == line.replace(" ", "")


@pytest.mark.parametrize("workers", [1, 2])
def test_what_occurs_again_is_translated_once(translator, monkeypatch, workers):
    """The parts of an endless word are equal: translating each of them would take minutes."""
    lines = ["the dog", "x" * 20_000, "the cat", "the dog", "", "the dog"]
    apart = [next(translate_lines(translator, [line], search=SEARCH)) for line in lines]
    searched: list[str] = []
    search = Translator.search

    def counted(self, texts, *arguments, **options):
        searched.extend(texts)
        return search(self, texts, *arguments, **options)

    monkeypatch.setattr(Translator, "search", counted)
    together = list(translate_lines(translator, lines, search=SEARCH, workers=workers))
    for one, alone in zip(together, apart, strict=True):  # scores may differ in their last bits
        assert (one.source, one.parts) == (alone.source, alone.parts)
        assert [h.ids for h in one.hypotheses] == [h.ids for h in alone.hypotheses]
    assert apart[1].parts > 30
    if workers == 1:  # else it is done elsewhere
        assert len(searched) == len(set(searched)) < 10


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="workers are no processes here")
def test_a_worker_that_dies_is_one_line(translator, monkeypatch):
    monkeypatch.setattr(translator, "search", lambda texts, _, *, done: os._exit(1))
    with pytest.raises(InputError, match="a worker process was ended"):
        list(translate_lines(translator, ["the dog"], search=SearchOptions(), workers=2))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("search", [SearchOptions(beam=2, batch_tokens=40), SearchOptions(beam=1, batch_tokens=40)])
def test_lines_are_told_of_when_they_are_done_not_when_their_window_is(translator, workers, search):
    """Progress would else stand still for a whole window, and its first line would seem to have taken all the time."""
    kinds = ["the dog {0}", "", "we see a house {0}", "  ", "The dog runs {0}. A cat sees us {0}."]
    lines = [kind.format(number) for number in range(8) for kind in kinds]  # what occurs again is translated once
    told, before_the_first = [], None
    stream = translate_lines(
        translator,
        lines,
        search=search,
        workers=workers,
        sentences=True,
        done=lambda some, under_way: told.append((list(some), under_way)),
    )
    for _ in stream:
        before_the_first = len(told) if before_the_first is None else before_the_first
    assert before_the_first > 3
    assert sorted(line for some, _ in told for line in some) == sorted(lines)
    assert all(0 <= under_way <= len(lines) * 2 for _, under_way in told)


def test_a_line_in_parts_is_done_with_its_last_part(translator):
    told = []
    line = "The dog runs. A cat sees the dog and the dog sees the cat and we see a house."
    list(
        translate_lines(
            translator,
            [line],
            search=SearchOptions(batch_tokens=1),
            sentences=True,
            done=lambda some, under_way: told.append(list(some)),
        )
    )
    assert told == [[], [], [line]]  # no blank line; the first of its sentences; the last


def test_what_is_scored_is_told_of(translator):
    pairs, told = [("the dog", "a cat"), ("we", "us")] * 40, []
    translator.score(pairs, done=lambda numbers, under_way: told.append((list(numbers), under_way)))
    assert sorted(number for numbers, _ in told for number in numbers) == list(range(80))
    assert [under_way for _, under_way in told] == [0] * 3  # 32 at once


def test_under_demands_a_line_is_done_when_no_other_search_for_it_follows(monkeypatch):
    """What the search without demands finds is told of only where it stands."""
    events: list[tuple[str, int]] = []

    def search(models, source, **options):
        events.append(("search", len(source)))
        return beam_search(models, source, **options)

    monkeypatch.setattr(demanding_search, "beam_search", search)
    lines = ["we see a house", "a cat sees us", "the dog sees us", "the cat sees us", "we see the dog", "the dog runs"]
    translator, banned, again = next(
        (translator, letter, count)
        for translator in map(random_translator, range(20))
        for free in [translator.translate(lines, beam=2)]
        for letter in filter(str.isalpha, "".join(free))
        if letter.isascii() and 0 < (count := sum(letter in one for one in free)) < len(lines)
    )
    events.clear()
    found = translate_lines(
        translator,
        lines,
        search=SearchOptions(beam=2, constraints=Constraints(banned=(banned,))),
        done=lambda some, under_way: events.append(("done", len(some))),
    )
    assert len(list(found)) == len(lines)
    second = [number for number, (kind, _) in enumerate(events) if kind == "search"][1]
    assert events[second] == ("search", again)
    assert sum(count for kind, count in events[:second] if kind == "done") == len(lines) - again
    assert sum(count for kind, count in events[second:] if kind == "done") == again
