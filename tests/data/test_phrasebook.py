"""The promises of the phrasebook: one translation each, disjoint sets, enough words, clear errors, the command."""

import re

import pytest

from numpy_transformer.data.phrasebook import (
    CONSTRUCTIONS,
    Pair,
    actions,
    count_lower_bound,
    generate,
    lexicon,
    noun_constructions,
    nouns,
    split,
)
from numpy_transformer.data.phrasebook.__main__ import main
from numpy_transformer.data.phrasebook.clauses import clause
from numpy_transformer.data.phrasebook.lexicon import (
    POSSESSIVES,
    THE,
    noun,
)
from numpy_transformer.data.phrasebook.phrases import (
    PRONOUNS,
    noun_phrase,
)
from numpy_transformer.data.phrasebook.sampling import Draw
from numpy_transformer.errors import InputError

VERB_TABLES = (
    *("TRANSITIVE", "SEPARABLE", "INTRANSITIVE", "PLAIN", "POSITION", "MOTION", "JOURNEY", "PLACING"),
    *("DATIVE", "DITRANSITIVE", "PREPOSITIONAL", "CLAUSAL", "INFINITIVAL"),
)
ALLOWED = re.compile(r"[A-Za-zÄÖÜäöüß' ,.!?-]+")


def assert_well_formed(pair: Pair) -> None:
    """A capital first, one mark last, single spaces, only letters and marks."""
    for side in pair:
        assert ALLOWED.fullmatch(side), pair
        assert side[0].isupper(), pair
        assert side[-1] in ".!?", pair
        assert not re.search(r"  | [,.!?]|[,.!?][,.!?]", side), pair
    assert pair.source[-1] == pair.target[-1], pair


def test_every_construction_is_explained_and_exemplified() -> None:
    assert len(CONSTRUCTIONS) >= 15
    assert len({entry.name for entry in CONSTRUCTIONS}) == len(CONSTRUCTIONS)
    for entry in CONSTRUCTIONS:
        assert len(entry.explanation) > 60, entry.name
        assert_well_formed(entry.example)


@pytest.fixture(scope="module")
def sample() -> list[Pair]:
    return generate(50_000, seed=7)


def test_sentences_are_well_formed(sample: list[Pair]) -> None:
    fixed = set(noun_constructions.fixed_expressions())
    for pair in sample:
        if pair not in fixed:
            assert_well_formed(pair)


def test_sentences_are_short(sample: list[Pair]) -> None:
    lengths = [len(pair.source.split()) for pair in sample]
    assert max(lengths) <= 25
    assert sum(3 <= length <= 12 for length in lengths) > 0.9 * len(lengths)


def test_no_english_sentence_has_two_translations(sample: list[Pair]) -> None:
    """`generate` itself keeps English sentences distinct, so this test draws from each construction without it."""
    translation = {pair.source: pair.target for pair in noun_constructions.fixed_expressions()}
    draw = Draw(11)
    for entry in CONSTRUCTIONS:
        for _ in range(2_000):
            pair = entry.sample(draw)
            assert translation.setdefault(str(pair.source), pair.target) == pair.target, (entry.name, pair)
    for pair in sample:
        assert translation.setdefault(pair.source, pair.target) == pair.target, pair


def test_generation_is_deterministic_distinct_and_prefix_stable() -> None:
    pairs = generate(3_000, seed=1)
    assert pairs == generate(3_000, seed=1)
    assert pairs[:100] == generate(100, seed=1)
    assert pairs[:100] != generate(100, seed=2)
    assert len({pair.source for pair in pairs}) == len(pairs)
    assert generate(0) == []


def test_split_shares_no_sentence_on_either_side() -> None:
    parts = split(20_000, valid=300, test=600, seed=4)
    assert [len(part) for part in parts] == [20_000, 300, 600]
    for side in (0, 1):
        train, valid, test = ({pair[side] for pair in part} for part in parts)
        assert not train & valid
        assert not train & test
        assert not valid & test
    for held_out in parts[1:]:
        assert len({pair.target for pair in held_out}) == len(held_out)
    assert parts == split(20_000, valid=300, test=600, seed=4)
    assert split(1_000, valid=300, test=600, seed=4)[1:] == parts[1:]


def test_fixed_expressions_are_in_every_training_set_and_nowhere_else() -> None:
    fixed = set(noun_constructions.fixed_expressions())
    train, valid, test = split(20_000, valid=300, test=600)
    assert fixed <= set(train)
    assert not fixed & {*valid, *test}
    known = {("Hello", "Hallo"), ("Hello!", "Hallo!"), ("Good morning", "Guten Morgen"), ("Thank you!", "Danke!")}
    assert known <= fixed
    assert train.count(Pair("Hello", "Hallo")) >= 2
    others = [pair for pair in train if pair not in fixed]
    assert len(set(others)) == len(others)


def test_fixed_expressions_stand_in_rows_as_long_as_other_sentences() -> None:
    """Alone they share batches with each other only; in a row they are in nearly every batch."""
    translation = dict(noun_constructions.fixed_expressions())
    train, _, _ = split(20_000, valid=300, test=600)
    rows = [pair for pair in train if pair.source not in translation and re.search(r"[.!?] ", pair.source)]
    assert len(set(rows)) == len(rows) == 800
    for source, target in rows:
        parts = re.split(r"(?<=[.!?]) ", source)
        assert 2 <= len(parts) <= 3
        assert " ".join(translation[part] for part in parts) == target
    assert [len(split(size, valid=1, test=1)[0]) for size in (0, 1, 166, 170, 200)] == [0, 1, 166, 170, 200]


def test_there_are_words_enough() -> None:
    lemmas = {entry.english[0] for section in lexicon.nouns_by_section().values() for entry in section}
    adjectives = set(lexicon.adjectives())
    verbs = {v.base + v.particle for table in VERB_TABLES for v in lexicon.verb_table(table)}
    assert len(lemmas) >= 150
    assert len(verbs) >= 80
    assert len(adjectives) >= 50
    assert len(lemmas | verbs | adjectives) >= 350
    sentences = " ".join(pair.source for pair in generate(20_000)).lower()
    for word in ("dog", "cat", "house", "water", "eat", "drink", "love", "mother", "book", "red", "happy"):
        assert f" {word} " in sentences


def test_there_are_more_than_a_million_pairs() -> None:
    assert count_lower_bound() >= 1_000_000


def test_the_lower_bound_counts_distinct_sentences() -> None:
    """The counted form, written out for three subjects, is as large as its share of the bound."""
    people = lexicon.select("people")
    subjects = len(PRONOUNS) + sum(1 if person.plural_only else 2 for person in people)
    spelt: set[tuple[str, str]] = set()
    for subject in (*PRONOUNS[:2], noun_phrase(THE, noun("man"))):
        for entry in lexicon.verb_table("TRANSITIVE"):
            for thing in entry.objects:
                if thing.section in ("language", "unique", *nouns.GROUPS["people"]):
                    continue
                for determiner in (THE, *(POSSESSIVES if thing.owned else ())):
                    for adjective in (None, *lexicon.adjectives_of(thing)):
                        phrase = noun_phrase(determiner, thing, False, adjective)
                        source, target = clause(subject, actions.with_object(entry, phrase))
                        spelt.add((str(source), target))
    assert len(spelt) == 3 * count_lower_bound() // subjects
    assert len({source for source, _ in spelt}) == len(spelt)


def test_exhaustion_and_bad_numbers_are_told_in_one_line() -> None:
    clock = [entry for entry in CONSTRUCTIONS if entry.name == "clock times"]
    possible = {pair.source for pair in generate(100, 0, clock)}
    assert len(possible) == 100
    with pytest.raises(InputError, match="ask for fewer"):
        generate(10_000, 0, clock)
    for call in (lambda: generate(-1), lambda: split(-1), lambda: split(10, valid=-1), lambda: split(10, test=-5)):
        with pytest.raises(InputError, match="give 0 or more") as caught:
            call()
        assert "\n" not in str(caught.value)


def test_exhausting_small_constructions_leaves_the_others() -> None:
    small = [
        entry for entry in CONSTRUCTIONS if entry.name in ("clock times", "fixed expressions", "accusative object")
    ]
    pairs = generate(20_000, 0, small)
    fixed = set(noun_constructions.fixed_expressions())
    assert len(fixed & set(pairs)) > 0.95 * len(fixed)


def test_the_command_prints_constructions_or_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--tsv", "--count", "20", "--seed", "3"]) == 0
    lines = capsys.readouterr().out.split("\n")[:-1]
    assert [tuple(line.split("\t")) for line in lines] == generate(20, seed=3)
    assert main(["--count", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(entry.name in printed for entry in CONSTRUCTIONS)


def test_command_rejects_a_negative_count() -> None:
    with pytest.raises(InputError, match="give 0 or more"):
        main(["--tsv", "--count", "-3"])
