"""Texts that stay in their files: the same pairs, notes, tokens, batches and errors as of those in memory."""

import gzip
import os
import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import bpe
from numpy_transformer.data import in_processes, large_corpus, large_text, pair_files, prepared
from numpy_transformer.data.batching import epoch_batches
from numpy_transformer.data.corpora import Corpus, load_corpus
from numpy_transformer.data.corpus_files import find_files
from numpy_transformer.data.encoding import prepare_text
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.data.large_corpus import LargeCorpus
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig

CONFIG = TransformerConfig.preset("tiny", vocabulary_size=300)
WORDS = ["one", "two", "three", "four", "fünf", "sechs", "Straße", "über", "\ufeff日本", "don't", "e-mail", "x\u2028y"]


@pytest.fixture(autouse=True)
def _small_blocks_and_a_cache(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("NUMPY_TRANSFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pair_files, "BLOCK_LINES", 37)


def sentences(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(count)]


def lines(count: int, seed: int = 0) -> list[str]:
    """Pairs, some of them repeated, some with a side of another one, some blank, some long."""
    pairs = [f"{s}\t{t}" for s, t in zip(sentences(count, seed), sentences(count, seed + 1), strict=True)]
    draw = random.Random(seed)
    pairs += draw.choices(pairs, k=count // 10)
    pairs += [f"{pairs[i]} and more" for i in range(0, count, 20)]
    pairs += ["\t", "only a source\t", " \tonly a target", "", "long " * 40 + "\tlang"]
    draw.shuffle(pairs)
    return pairs


def write(path: Path, some: list[str], end: str = "\n") -> Path:
    content = "".join(line + end for line in some).encode()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def large(data: object, *, said: list[str] | None = None, seed: int = 0, **options) -> LargeCorpus:
    where = {"source": "en", "target": "de"}
    say = [].append if said is None else said.append
    told = {"seed": seed, "processes": 2, "say": say, "progress": lambda fraction, text: None}
    return large_corpus.large_corpus(find_files(str(data), **where, **options), **where, **told)


def folder(path: Path) -> Path:
    """train, valid and test, some pairs of which are training pairs too."""
    pairs = [line.split("\t") for line in lines(200) if line.count("\t") == 1]
    parts = {"train": pairs, "valid": [*pairs[:7], ["new", "neu"], pairs[0]], "test": [*pairs[20:22], ["ne", "no"]]}
    for name, some in parts.items():
        for side, language in enumerate(("en", "de.gz")):
            write(path / f"{name}.{language}", [pair[side] for pair in some])
    return path


def assert_same(many: LargeCorpus, few: Corpus, vocabulary: int = 300) -> None:
    assert (many.name, many.valid, many.test, many.notes) == (few.name, few.valid, few.test, few.notes)
    assert list(many.train.pairs()) == list(zip(few.train.sources, few.train.targets, strict=True))
    assert (len(many.train), many.train.characters) == (len(few.train), few.train.characters)
    tokenizer = bpe.train([*few.train.sources, *few.train.targets], vocabulary_size=vocabulary)
    assert many.train.learn_tokenizer(vocabulary).digest == tokenizer.digest
    for longest in (1000, 60):
        opened = many.train.encoded(tokenizer, tokenizer, tokenizer.digest, CONFIG, longest)
        expected = prepare_text(few.train, tokenizer, tokenizer, CONFIG, longest)
        assert opened.dropped == expected.dropped
        assert opened.ids.digest() == expected.ids.digest()
        rows = zip(
            [*opened.ids.sources, *opened.ids.targets], [*expected.ids.sources, *expected.ids.targets], strict=True
        )
        assert all(np.array_equal(one, other) for one, other in rows)
        assert opened.known_words().keys == KnownWords.of(expected.text.sources).keys
        batches = [epoch_batches(text, 64, seed=1, epoch=2) for text in (opened.ids, expected.ids)]
        assert [batch.tolist() for batch in batches[0]] == [batch.tolist() for batch in batches[1]]
        first = [text.batch(batches[0][0], 0) for text in (opened.ids, expected.ids)]
        assert np.array_equal(first[0].source, first[1].source)
        assert first[0].target.dtype == first[1].target.dtype


@pytest.mark.parametrize("seed", [0, 5])
def test_a_tsv_of_which_pairs_are_held_out(tmp_path, seed):
    path = write(tmp_path / "text.tsv", lines(400), end="\r\n")
    assert_same(large(path, seed=seed), load_corpus(str(path), seed=seed))


def test_several_files_one_of_them_twice(tmp_path):
    write(tmp_path / "a.tsv", lines(150))
    write(tmp_path / "b.tsv.gz", lines(60, seed=3))
    data = "a.tsv,b.tsv.gz,a.tsv"
    assert_same(large(data, data_directory=tmp_path), load_corpus(data, data_directory=tmp_path))


def test_a_tsv_with_validation(tmp_path):
    path, valid = write(tmp_path / "text.tsv", lines(100)), write(tmp_path / "valid.tsv", lines(20))
    options = {"validation": str(valid)}
    assert_same(large(path, **options), load_corpus(str(path), **options))


def test_a_folder(tmp_path):
    path = folder(tmp_path / "texts")
    few = load_corpus(str(path))
    assert any("also occur in the training text" in note for note in few.notes)
    assert_same(large(path), few)


def test_without_fork_this_process_does_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(in_processes.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.setattr(in_processes, "worker_pool", None)
    path = write(tmp_path / "text.tsv", lines(100))
    many = large(path)
    assert many.valid == load_corpus(str(path)).valid
    tokenizer = bpe.Tokenizer([])
    assert len(many.train.encoded(tokenizer, tokenizer, tokenizer.digest, CONFIG, 1000).ids) == len(many.train)


def test_ids_above_16_bits(tmp_path):
    config = CONFIG.replace(vocabulary_size=(1 << 16) + 1)
    tokenizer = bpe.Tokenizer([], token_ids=range(65_281, 65_537))
    path = write(tmp_path / "text.tsv", lines(60))
    ids = large(path).train.encoded(tokenizer, tokenizer, tokenizer.digest, config, 1000).ids
    expected = prepare_text(load_corpus(str(path)).train, tokenizer, tokenizer, config, 1000).ids
    assert ids.sources.ids.dtype == np.uint32
    assert ids.digest() == expected.digest()
    assert np.array_equal(ids.sources[3], expected.sources[3])


BAD = {
    "no tab": [*lines(150), "no tab here", *lines(20)],
    "nothing": [],
    "blank": ["\t"] * 100,
    "too few": ["one\teins", "two\tzwei"],
}


@pytest.mark.parametrize("kind", BAD)
def test_errors_are_those_of_a_text_in_memory(kind, tmp_path):
    path = write(tmp_path / "text.tsv", BAD[kind])
    with pytest.raises(InputError) as expected:
        load_corpus(str(path))
    for _ in range(2):  # what failed is not kept
        with pytest.raises(InputError) as caught:
            large(path)
        assert str(caught.value) == str(expected.value)
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_errors_name_the_line_of_the_file(tmp_path):
    path = folder(tmp_path / "texts")
    content = gzip.decompress((path / "train.de.gz").read_bytes()).split(b"\n")
    content[120] = b"caf\xe9"
    (path / "train.de.gz").write_bytes(gzip.compress(b"\n".join(content)))
    with pytest.raises(InputError, match=r"train\.de\.gz, line 121: is not UTF-8 at byte 4"):
        large(path)
    (path / "train.de.gz").write_bytes(gzip.compress(b"\n".join(content[:100]) + b"\n"))
    with pytest.raises(InputError) as expected:
        load_corpus(str(path))
    with pytest.raises(InputError) as caught:
        large(path)
    assert str(caught.value) == str(expected.value)
    assert "but" in str(caught.value)


def prepare(path: Path, said: list[str] | None = None) -> tuple[str, str]:
    """Everything that a run prepares, by its digests."""
    corpus = large(path, said=said)
    tokenizer = corpus.train.learn_tokenizer(300)
    ids = corpus.train.encoded(tokenizer, tokenizer, tokenizer.digest, CONFIG, 60)
    return tokenizer.digest, ids.ids.digest()


def test_a_text_is_prepared_once(tmp_path, monkeypatch):
    path = write(tmp_path / "text.tsv", lines(200))
    first = prepare(path)

    def no_more(*arguments: object, **options: object) -> None:
        raise AssertionError("prepared twice")

    with monkeypatch.context() as patch:
        patch.setattr(pair_files, "raw_lines", no_more)
        assert prepare(path) == first
        elsewhere = tmp_path / "elsewhere.tsv"
        elsewhere.write_bytes(path.read_bytes())
        assert prepare(elsewhere) == first  # the same text by another name
        with pytest.raises(AssertionError):
            large(path, seed=1)
    write(path, lines(200, seed=9))
    assert prepare(path) != first


def entries(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file() and "files" not in path.parts)


def test_a_damaged_entry_is_made_again(tmp_path):
    path = write(tmp_path / "text.tsv", lines(30))
    first = prepare(path)
    files = entries(tmp_path)
    names = ["record.json", "rows", "source.ids", "source.lengths", "target.ids", "tokenizer.json", "words.txt"]
    assert set(names) < {file.name for file in files}
    for number, file in enumerate(files):
        whole = file.read_bytes()
        middle = len(whole) // 2
        flipped = bytes([whole[middle] ^ 1])
        damages = (whole[:middle], whole[:middle] + flipped + whole[middle + 1 :], None, b"")
        for content in (damages[number % 4], damages[(number + 1) % 4]):
            said: list[str] = []
            file.unlink() if content is None else file.write_bytes(content)
            assert prepare(path, said) == first
            assert [line.partition(": ")[2] for line in said[:-1]] == ["is damaged, so it is prepared again"]
            assert file.read_bytes() == whole
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_a_file_is_digested_again_only_if_it_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "RESOLUTION", -3600.0)  # so that a file just written is old enough
    path = write(tmp_path / "text.tsv", ["one\teins"])
    digest, before = prepared.file_digest(path), os.stat(path)
    reads: list[object] = []
    file_digest = prepared.hashlib.file_digest
    monkeypatch.setattr(prepared.hashlib, "file_digest", lambda *args: reads.append(args) or file_digest(*args))
    assert prepared.file_digest(path) == digest
    assert not reads
    with open(path, "r+b") as file:  # the same size, inode and date of modification
        file.write(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_mtime_ns == before.st_mtime_ns
    assert prepared.file_digest(path) != digest
    assert len(reads) == 1


def test_the_date_of_a_file_just_written_is_not_trusted(tmp_path):
    path = write(tmp_path / "text.tsv", ["one\teins"])
    prepared.file_digest(path)
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_a_text_that_changes_while_it_is_read_is_told(tmp_path, monkeypatch):
    path = write(tmp_path / "text.tsv", lines(100))
    corpus = large(path)
    write(path, lines(100, seed=4))
    with pytest.raises(InputError, match=r"text\.tsv: was changed while it was read"):
        corpus.train.learn_tokenizer(300)


def test_a_second_process_says_that_it_waits(tmp_path):
    path = write(tmp_path / "text.tsv", lines(30))
    digests = prepare(path)
    [folder] = prepared.prepared_texts()
    prepared.remove_folder(folder / "pairs")
    said: list[str] = []
    other: list[threading.Thread] = []

    def busy() -> None:
        raise AssertionError

    with prepared.locked_folder(folder, busy):
        other.append(threading.Thread(target=lambda: said.append(str(prepare(path, said) == digests))))
        other[0].start()
        while not said:
            time.sleep(0.01)
        assert said == [f"another process is preparing this text in {folder}: waiting for it"]
    other[0].join()
    assert said[-1] == "True"


def test_an_unusable_cache_folder_is_told(tmp_path, monkeypatch):
    path = write(tmp_path / "text.tsv", lines(100))
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match="NUMPY_TRANSFORMER_CACHE"):
        large(path)


def test_only_large_texts_stay_in_their_files(tmp_path, monkeypatch):
    path = write(tmp_path / "text.tsv", lines(100))
    files = find_files(str(path), source="en", target="de")
    assert not large_corpus.is_large(files)
    monkeypatch.setattr(large_corpus, "LARGE", path.stat().st_size)
    assert large_corpus.is_large(files)
    assert not large_corpus.is_large(find_files(str(tmp_path / "missing.tsv"), source="en", target="de"))


def test_a_process_forgets_which_words_it_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(large_text, "MOST_WORDS", 2)
    path = write(tmp_path / "text.tsv", lines(200))
    corpus, tokenizer = large(path), bpe.Tokenizer([])
    words = corpus.train.encoded(tokenizer, tokenizer, tokenizer.digest, CONFIG, 1000).known_words()
    assert words.keys == KnownWords.of(source for source, _ in corpus.train.pairs()).keys
