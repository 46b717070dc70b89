"""Every kind of --data, the parts it is split into, and the messages if it cannot be used."""

import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_data import real_data

from numpy_transformer.data import corpora, multi30k, phrasebook
from numpy_transformer.data.corpora import Corpus, ParallelText, hold_out, load_corpus
from numpy_transformer.errors import InputError


def write(path: Path, *lines: str) -> Path:
    data = "".join(line + "\n" for line in lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    compress = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(compress(data))
    return path


def pairs(text: ParallelText) -> list[tuple[str, str]]:
    return list(zip(text.sources, text.targets, strict=True))


def message_of(data: str | Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        load_corpus(str(data), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_apart(*parts: ParallelText) -> None:
    """No sentence of one part occurs in another, on either side."""
    for i, one in enumerate(parts):
        for other in parts[i + 1 :]:
            assert not set(one.sources) & set(other.sources)
            assert not set(one.targets) & set(other.targets)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    write(folder / "train.en", "A dog.", "A cat.", "A cat.")
    write(folder / "train.de.gz", "Ein Hund.", "Eine Katze.", "Eine Katze.")
    write(folder / "valid.en.xz", "A cow.")
    write(folder / "valid.de", "Eine Kuh.")
    return folder


def numbered(path: Path, count: int) -> Path:
    return write(path, *(f"sentence {i}\tSatz {i}\tfrom somewhere" for i in range(count)))


def test_a_folder(folder):
    corpus = load_corpus(str(folder))
    assert corpus == Corpus(
        name="corpus",
        source_language="en",
        target_language="de",
        train=ParallelText(["A dog.", "A cat.", "A cat."], ["Ein Hund.", "Eine Katze.", "Eine Katze."]),
        valid=ParallelText(["A cow."], ["Eine Kuh."]),
        test=ParallelText([], []),
    )


def test_a_folder_the_other_way_round_and_with_a_test(folder):
    write(folder / "test.en", "A bee.")
    write(folder / "test.de", "Eine Biene.")
    corpus = load_corpus("corpus", source="de", target="en", data_directory=folder.parent)
    assert (corpus.source_language, corpus.target_language) == ("de", "en")
    assert pairs(corpus.train)[0] == ("Ein Hund.", "A dog.")
    assert pairs(corpus.test) == [("Eine Biene.", "A bee.")]


def test_the_validation_part_may_be_called_val(folder):
    for path in list(folder.glob("valid.*")):
        path.rename(folder / path.name.replace("valid", "val"))
    assert pairs(load_corpus(str(folder)).valid) == [("A cow.", "Eine Kuh.")]


def test_pairs_with_a_blank_side_are_dropped_and_counted(folder):
    write(folder / "train.en", "A dog. ", "", "A cat.", "\u3000")
    write(folder / "train.de.gz", "Ein Hund.", "Eine Kuh.", "\tEine Katze.", "")
    corpus = load_corpus(str(folder))
    assert pairs(corpus.train) == [("A dog.", "Ein Hund."), ("A cat.", "Eine Katze.")]
    assert corpus.notes == (f"{folder / 'train'}: 2 of 4 pairs dropped because a side is blank",)


def test_sentences_are_cleaned(folder, tmp_path):
    """Byte order marks of joined files, white space at the edges, decomposed letters: as translators clean them."""
    lines = ["\ufeff one \tGru\u0308n ", "\ufefftwo\t\ufeffzwei", "\ufeff", " three\u2028\tdrei\r", "four\tvier"]
    (tmp_path / "a.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    corpus = load_corpus(str(tmp_path / "a.tsv"), validation=str(tmp_path / "a.tsv"))
    assert pairs(corpus.train) == [("one", "Grün"), ("two", "zwei"), ("three", "drei"), ("four", "vier")]
    assert corpus.valid == corpus.train
    for number, language in enumerate(("en", "de")):
        text = "".join(line.partition("\t")[2 * number] + "\n" for line in lines)
        (folder / f"train.{language}").write_text(text, encoding="utf-8", newline="")
    assert load_corpus(str(folder)).train == corpus.train


def test_only_blank_sides_are_told(folder):
    write(folder / "valid.de", " ")
    assert f"{folder / 'valid'}: each of its 1 pairs has a blank side" in message_of(folder)


def test_pairs_that_are_trained_on_and_judged_by_are_noted(folder):
    write(folder / "valid.en.xz", "A cat.", "A cow.", "A dog.")
    write(folder / "valid.de", "Eine Katze.", "Eine Kuh.", "Der Hund.")
    corpus = load_corpus(str(folder))
    assert corpus.notes == (f"{folder} validation: 1 of 3 pairs also occur in the training text",)


def test_folders_that_cannot_be_used(folder, tmp_path):
    assert f"{folder}: holds no train.fr and train.it" in message_of(folder, source="fr", target="it")
    assert f"{folder / 'train.fr'}: no such file" in message_of(folder, target="fr")
    assert f"{folder / 'train.fr'}: no such file" in message_of(folder, source="fr")
    assert "the same language" in message_of(folder, target="en")
    write(folder / "test.en", "A bee.")
    assert f"{folder / 'test.de'}: no such file" in message_of(folder)
    (folder / "test.en").unlink()
    write(folder / "train.en", "A dog.")
    assert "has 1 lines but" in message_of(folder)
    (folder / "train.en").write_bytes(b"A dog.\nA caf\xe9.\nA cat.\n")
    assert f"{folder / 'train.en'}, line 2: is not UTF-8 at byte 6" in message_of(folder)
    (folder / "valid.de").unlink()
    (folder / "valid.en.xz").unlink()
    write(folder / "train.en", "A dog.", "A cat.", "A cat.")
    assert f"{folder}: holds no valid.en and valid.de" in message_of(folder)


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_a_tsv_is_split_into_three_parts(tmp_path, suffix):
    path = numbered(tmp_path / f"text.tsv{suffix}", 500)
    corpus = load_corpus(str(path))
    assert (corpus.name, len(corpus.train), len(corpus.valid), len(corpus.test)) == (path.name, 480, 10, 10)
    assert_apart(corpus.train, corpus.valid, corpus.test)
    assert all(s.removeprefix("sentence") == t.removeprefix("Satz") for s, t in pairs(corpus.train))
    assert "10 pairs held out for validation and 10 for the test; 0 more left out" in corpus.notes[0]
    assert load_corpus(str(path)) == corpus
    assert load_corpus(str(path), seed=1).valid != corpus.valid


def test_at_most_a_thousand_pairs_are_held_out(tmp_path):
    corpus = load_corpus(str(numbered(tmp_path / "text.tsv", 60_000)))
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (58_000, 1_000, 1_000)


def test_a_tsv_with_validation(tmp_path):
    numbered(tmp_path / "train.tsv", 50)
    write(tmp_path / "valid.tsv.gz", "a cow\teine Kuh", "sentence 7\tSatz 7", "\t")
    corpus = load_corpus("train.tsv", data_directory=tmp_path, validation="valid.tsv.gz")
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (50, 2, 0)
    assert [note.removeprefix(f"{tmp_path / 'valid.tsv.gz'}: ") for note in corpus.notes] == [
        "1 of 3 pairs dropped because a side is blank",
        "1 of 2 pairs also occur in the training text",
    ]


def test_tsv_files_that_cannot_be_used(tmp_path, folder):
    assert "no such file" in message_of(tmp_path / "missing.tsv")
    assert "no such file" in message_of(numbered(tmp_path / "a.tsv", 9), validation="missing.tsv")
    assert "is empty" in message_of(write(tmp_path / "empty.tsv"))
    assert "line 2: has no TAB" in message_of(write(tmp_path / "b.tsv", "Hi.\tHallo!", "Hi. Hallo!"))
    assert "too few distinct sentences in its 2 pairs" in message_of(numbered(tmp_path / "two.tsv", 2))
    same = write(tmp_path / "same.tsv", *(f"sentence {i}\tJa." for i in range(100)))
    assert "too few distinct sentences in its 100 pairs" in message_of(same)
    assert "only goes with --data FILE.tsv" in message_of(folder, validation=str(same))


def test_several_tsv_files_are_one_text(tmp_path):
    lines = [f"sentence {i}\tSatz {i}" for i in range(300)]
    write(tmp_path / "a.tsv", *lines[:200], "\t")
    write(tmp_path / "b.tsv.gz", *lines[200:])
    write(tmp_path / "whole.tsv", *lines)
    several = load_corpus("a.tsv,b.tsv.gz", data_directory=tmp_path)
    whole = load_corpus("whole.tsv", data_directory=tmp_path)
    assert (several.name, several.train, several.valid, several.test) == (
        *("a.tsv", whole.train, whole.valid, whole.test),
    )
    assert [note.partition(": ")[0] for note in several.notes] == [
        str(tmp_path / "a.tsv"),
        f"{tmp_path / 'a.tsv'} and 1 more",
    ]
    assert f"{tmp_path / 'c.tsv'}: no such file" in message_of("a.tsv,c.tsv", data_directory=tmp_path)
    assert "no such corpus, file or folder" in message_of("a.tsv,phrasebook", data_directory=tmp_path)


def test_a_name_with_a_comma_is_one_file(tmp_path):
    assert len(load_corpus(str(numbered(tmp_path / "a.tsv,b.tsv", 50))).train) == 48


def test_three_pairs_are_enough_for_a_tsv(tmp_path):
    corpus = load_corpus(str(numbered(tmp_path / "three.tsv", 3)))
    assert len(corpus.train) == len(corpus.valid) == len(corpus.test) == 1


WORDS = st.sampled_from("abcdefgh")


@given(st.lists(st.tuples(WORDS, WORDS), max_size=30), st.integers(0, 6), st.integers(0, 3), st.randoms())
def test_held_out_sentences_stand_nowhere_else(drawn, count, seed, random):
    text = ParallelText([source for source, _ in drawn], [target for _, target in drawn])
    held_out, rest = hold_out(text, count, seed)
    assert_apart(held_out, rest)
    assert len(held_out) <= count
    assert len(held_out) == len(set(held_out.sources)) == len(set(held_out.targets))
    assert set(pairs(held_out)) <= set(drawn)
    # What is left out repeats a held-out sentence; everything else stays, in its order, twins included.
    assert pairs(rest) == [
        (s, t) for s, t in drawn if s not in set(held_out.sources) and t not in set(held_out.targets)
    ]
    if len(held_out) < count:
        assert len(rest) == 0

    shuffled = list(drawn)
    random.shuffle(shuffled)
    again, _ = hold_out(ParallelText([s for s, _ in shuffled], [t for _, t in shuffled]), count, seed)
    assert again == held_out


def test_names_that_are_no_corpus(tmp_path):
    assert "no such corpus, file or folder: give phrasebook, multi30k" in message_of("multi31k")
    assert "is not a .tsv file" in message_of(write(tmp_path / "text.txt", "Hi.\tHallo!"))


@pytest.mark.parametrize("data", ["phrasebook", "multi30k"])
@pytest.mark.parametrize("languages", [("en", "fr"), ("en", "en")])
def test_other_languages_are_told(data, languages):
    source, target = languages
    message = message_of(data, source=source, target=target)
    assert f"--source {source} --target {target}: the {data} corpus is English and German only" in message


def test_the_phrasebook(monkeypatch):
    monkeypatch.setattr(corpora, "PHRASEBOOK_TRAIN_SIZE", 2_000)
    corpus = load_corpus("phrasebook")
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (2_000, 500, 1_000)
    assert not set(pairs(corpus.train)) & {*pairs(corpus.valid), *pairs(corpus.test)}
    assert load_corpus("phrasebook") == corpus
    assert load_corpus("phrasebook", seed=1).train != corpus.train
    back = load_corpus("phrasebook", source="de", target="en")
    careful, *_ = phrasebook.split(2_000)  # each source is spelt as people type it, no target is
    assert corpus.train.targets == [pair.target for pair in careful]
    assert back.train.targets == [pair.source for pair in careful]
    assert back.train.sources != corpus.train.targets
    assert (back.valid, back.test) == tuple(
        ParallelText(part.targets, part.sources) for part in (corpus.valid, corpus.test)
    )
    assert (back.source_language, back.target_language) == ("de", "en")


def test_the_real_multi30k():
    folder = real_data("multi30k")
    corpus = load_corpus("multi30k", data_directory=folder.parent)
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (29_000, 1_014, 1_000)
    assert pairs(corpus.test)[0] == (
        "A man in an orange hat starring at something.",
        "Ein Mann mit einem orangefarbenen Hut, der etwas anstarrt.",
    )
    assert load_corpus("multi30k", source="de", target="en", data_directory=folder).train == ParallelText(
        corpus.train.targets, corpus.train.sources
    )


def test_the_real_multi30k_as_a_folder_of_files():
    folder = real_data("multi30k")
    corpus = load_corpus(str(folder))
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (29_000, 1_014, 0)
    assert all(sentence == sentence.strip() for sentence in corpus.train.targets)


def test_the_real_tatoeba():
    folder = real_data("tatoeba")
    corpus = load_corpus("train.tsv.xz", data_directory=folder)
    assert len(corpus.valid) == len(corpus.test) == 1_000
    assert_apart(corpus.train, corpus.valid, corpus.test)
    assert 160_000 < len(corpus.train) < 166_558 - 2_000
    given_apart = load_corpus("train.tsv.xz", data_directory=folder, validation="valid.tsv.xz")
    assert (len(given_apart.train), len(given_apart.valid), len(given_apart.test)) == (166_558, 1_265, 0)
    assert given_apart.notes == ()


def test_multi30k_is_asked_for_by_its_own_names():
    parts = (multi30k.TRAIN, multi30k.VALID, multi30k.TEST)
    assert {f"{part}.{language}" for part in parts for language in ("en", "de")} == multi30k.DIGESTS.keys()
