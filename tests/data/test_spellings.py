"""Sentences as people type them: what each spelling changes, and how a text of them varies."""

from collections import Counter

import pytest

from numpy_transformer.data import phrasebook, spellings
from numpy_transformer.data.corpora import PHRASEBOOK_TRAIN_SIZE, load_corpus
from numpy_transformer.data.spellings import as_typed, respelt


@pytest.mark.parametrize(
    ("spelling", "text", "expected"),
    [
        (spellings.as_it_is, "I see Anna.", "I see Anna."),
        (spellings.small_first, "Élan, Anna!", "élan, Anna!"),
        (spellings.small_first, "", ""),
        (spellings.without_mark, "Really?!", "Really"),
        (spellings.without_mark, "Ein Satz .", "Ein Satz"),
        (spellings.without_mark, "你好。", "你好"),
        (spellings.without_mark, "...", "..."),
        (spellings.small_without_mark, "Do you see Anna?", "do you see Anna"),
        (spellings.all_small, "Do you see Anna?", "do you see anna"),
        (spellings.shouted, "Ich weiß es nicht.", "ICH WEISS ES NICHT."),
    ],
)
def test_each_spelling(spelling, text, expected):
    assert spelling(text) == expected


def test_a_mark_stays_where_the_bare_text_is_another_sentence():
    others = {"Hello", "Hello!", "Yes."}
    assert respelt("Hello!", spellings.without_mark, others) == "Hello!"
    assert respelt("Hello!", spellings.small_without_mark, others) == "hello!"
    assert respelt("Hello", spellings.small_without_mark, others) == "hello"
    assert respelt("Yes.", spellings.small_without_mark, others) == "yes"


def test_most_sentences_stay_as_they_are_and_each_spelling_occurs():
    sentences = [f"The dog Rex sees {number} cats." for number in range(4000)]
    typed = as_typed(sentences, seed=3)
    assert typed == as_typed(sentences, seed=3)
    assert typed != as_typed(sentences, seed=4)
    found = Counter(
        next(spelling for spelling in (spellings.as_it_is, *spellings.VARIETY) if spelling(sentence) == text)
        for sentence, text in zip(sentences, typed, strict=True)
    )
    assert found[spellings.as_it_is] == pytest.approx(4000 * (1 - spellings.SHARE), rel=0.05)
    assert set(found) == {spellings.as_it_is, *spellings.VARIETY}


def test_a_sentence_that_is_learned_whole_goes_through_all_its_spellings():
    typed = as_typed(["Good night!", "I see."] * len(spellings.TURNS), seed=0)
    assert {"Good night!", "good night!", "Good night", "good night", "GOOD NIGHT!"} == set(typed[::2])
    assert Counter(typed[::2]).most_common()[-1][1] >= 1


@pytest.fixture(scope="module")
def parts():
    """The sentences of both directions, generated once."""
    return phrasebook.split(PHRASEBOOK_TRAIN_SIZE, seed=0)


@pytest.mark.parametrize("source", ["en", "de"])
def test_the_phrasebooks_training_sources_vary_and_nothing_else(source: str, parts, monkeypatch):
    """Targets, validation and test stay careful; without its mark no sentence of the text has two translations."""

    def split(train: int, seed: int):
        assert (train, seed) == (PHRASEBOOK_TRAIN_SIZE, 0)
        return parts

    monkeypatch.setattr(phrasebook, "split", split)
    target = "de" if source == "en" else "en"
    corpus = load_corpus("phrasebook", source=source, target=target)
    assert all(text[0].isupper() for part in (corpus.valid, corpus.test) for text in part.sources)
    assert all(text[0].isupper() for text in corpus.train.targets)
    small = sum(text[0].islower() for text in corpus.train.sources)
    bare = sum(text[-1].isalpha() for text in corpus.train.sources)
    assert 0.1 < small / len(corpus.train) < 0.25
    assert 0.1 < bare / len(corpus.train) < 0.25
    assert sum(text.isupper() for text in corpus.train.sources) > 2000
    expressions = phrasebook.fixed_expressions()
    assert len(corpus.expressions) == len(expressions) >= 116
    if source == "en":
        translations: dict[str, str] = {}
        for text, translation in zip(corpus.train.sources, corpus.train.targets, strict=True):
            assert translations.setdefault(text.lower(), translation) == translation
        for expression in expressions:
            assert expression.source.lower() in translations
