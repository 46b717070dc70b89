"""Texts of every kind, each with the answer that docs/training.md promises: it is read, or one line says why not."""

import gzip
import itertools
import lzma
import subprocess
from pathlib import Path

import pytest
import small_run

from numpy_transformer.data.corpora import load_corpus
from numpy_transformer.errors import InputError

PAIRS = [line.split("\t") for line in small_run.numbers_in_words(60)]
GOOD = "".join(f"{source}\t{target}\n" for source, target in PAIRS)
NO_TAB, NOT_UTF_8, EMPTY, BLANK = "has no TAB", "is not UTF-8", "is empty", "blank side"
LONG_LINE, ARCHIVE, FEW = "is longer than", "cut off, damaged or not a", "has too few distinct sentences"
# name: (content of a .tsv file, what is wrong with it; None: nothing)
CONTENTS: dict[str, tuple[bytes, str | None]] = {
    "good": (GOOD.encode(), None),
    "no line end at the end": (GOOD.rstrip().encode(), None),
    "Windows line ends": (GOOD.replace("\n", "\r\n").encode(), None),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), None),
    "blank lines": (GOOD.replace("\n", "\n\n").encode(), None),
    "lines of spaces": (GOOD.replace("\n", "\n   \n").encode(), None),
    "further columns": (GOOD.replace("\n", "\tattribution\t\n").encode(), None),
    "spaces around": (GOOD.replace("\t", "  \t  ").encode(), None),
    "some blank sides": ((GOOD + "only this\t\n\tonly that\n").encode(), None),
    "every pair twice": ((GOOD * 2).encode(), None),
    "line separators within": (GOOD.replace(" ", "\u2028").encode(), None),
    "NUL within": (GOOD.replace(" ", "\0").encode(), None),
    "emoji and right to left": (GOOD.replace("o", "😀\u202e").encode(), None),
    "combining marks": (GOOD.replace("e", "e\u0301" * 9).encode(), None),
    "characters without width": (GOOD.replace("e", "\u200be\u00ad").encode(), None),
    "one letter": ("".join(f"{chr(97 + i % 26)}{i}\t{i}\n" for i in range(60)).encode(), None),
    "the same on both sides": ("".join(f"word {i}\tword {i}\n" for i in range(60)).encode(), None),
    "carriage returns only": (GOOD.replace("\n", "\r").encode(), FEW),
    "nothing": (b"", EMPTY),
    "one line end": (b"\n", BLANK),
    "only blank lines": (b"\n \n\t\n", BLANK),
    "no second column": (GOOD.replace("\t", " ").encode(), NO_TAB),
    "one line without a tab": ((GOOD + "no tab here\n").encode(), NO_TAB),
    "commas": (GOOD.replace("\t", ",").encode(), NO_TAB),
    "JSON": (b'{"en": "one", "de": "eins"}\n' * 60, NO_TAB),
    "an empty column between": (GOOD.replace("\t", "\t\t").encode(), BLANK),
    "only sources": (GOOD.replace("\t", "\t\n\t").encode(), BLANK),
    "one pair": (b"one\teins\n", FEW),
    "two pairs": (b"one\teins\ntwo\tzwei\n", FEW),
    "one sentence a hundred times": (b"one\teins\n" * 100, FEW),
    "Latin-1": (GOOD.encode("latin-1"), NOT_UTF_8),
    "UTF-32": (GOOD.encode("utf-32"), NOT_UTF_8),
    "UTF-16": (GOOD.encode("utf-16"), NOT_UTF_8),
    "a half character": (GOOD.encode() + b"a\tb\xc3\n", NOT_UTF_8),
    "a surrogate": (GOOD.encode() + b"a\t\xed\xa0\x80\n", NOT_UTF_8),
    "an overlong form": (GOOD.encode() + b"a\t\xc0\x80\n", NOT_UTF_8),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), NOT_UTF_8),
    "an archive by another name": (gzip.compress(GOOD.encode()), NOT_UTF_8),
    "a line without end": (b"x" * (2 << 20), LONG_LINE),
    "zeros without end": (bytes(2 << 20), LONG_LINE),
}
ARCHIVES = {"": lambda content: content, ".gz": gzip.compress, ".xz": lzma.compress}
# name: (how an archive is spoilt, what is said)
SPOILT = {
    "cut": lambda content: content[: len(content) // 2],
    "a bit": lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
    "garbage behind": lambda content: content + b"garbage",
    "a text by that name": lambda content: GOOD.encode(),
    "half a second stream": lambda content: content + content[: len(content) // 2],
}


def answer(data: Path, **options: str) -> str | None:
    """None, or the message; any other exception is a defect."""
    try:
        corpus = load_corpus(str(data), **options)
    except InputError as error:
        return " ".join(str(error).splitlines())  # as the programs print it
    for text in (corpus.train, corpus.valid):
        assert len(text) > 0
        assert all(side.strip() == side != "" for side in [*text.sources, *text.targets])
    return None


def agrees(said: str | None, expected: str | None, data: Path) -> bool:
    return said is None if expected is None else said is not None and expected in said and str(data) in said


@pytest.mark.parametrize(("name", "suffix"), list(itertools.product(CONTENTS, ARCHIVES)))
def test_a_file(name, suffix, tmp_path: Path):
    content, expected = CONTENTS[name]
    path = tmp_path / f"text.tsv{suffix}"
    path.write_bytes(ARCHIVES[suffix](content))
    said = answer(path)
    assert agrees(said, expected, path), said


@pytest.mark.parametrize(("name", "suffix"), list(itertools.product(SPOILT, [".gz", ".xz"])))
def test_a_spoilt_archive(name, suffix, tmp_path: Path):
    path = tmp_path / f"text.tsv{suffix}"
    path.write_bytes(SPOILT[name](ARCHIVES[suffix](GOOD.encode())))
    said = answer(path)
    assert agrees(said, ARCHIVE, path), said


# name: (what is done to a folder with train, valid and test, what is said)
FOLDERS = {
    "good": ("", None),
    "no test": ("rm test.en test.de", None),
    "val instead of valid": ("mv valid.en val.en; mv valid.de val.de", None),
    "compressed": ("gzip train.en; xz valid.de", None),
    "no training text": ("rm train.en train.de", "holds no train.en"),
    "no validation text": ("rm valid.en valid.de", "holds no valid.en"),
    "one side of the training text": ("rm train.de", "no such file, plain, .gz or .xz"),
    "one side of the test text": ("rm test.de", "no such file, plain, .gz or .xz"),
    "one line less": ("sed -i 1d train.en", "line i of one must translate line i of the other"),
    "one blank line more": ("echo >> valid.de", "line i of one must translate line i of the other"),
    "empty files": (": > train.en; : > train.de", EMPTY),
    "a folder by that name": ("rm train.en; mkdir train.en", "no such file, plain, .gz or .xz"),
    "a link to nowhere": ("rm train.en; ln -s nowhere train.en", "no such file, plain, .gz or .xz"),
    "not UTF-8": (r"printf '\377\n' > test.en; head -n1 valid.de > test.de", NOT_UTF_8),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder(name, tmp_path: Path):
    command, expected = FOLDERS[name]
    data = small_run.write_corpus(tmp_path / "data")
    subprocess.run(["sh", "-ec", command], cwd=data, check=True)
    said = answer(data)
    assert agrees(said, expected, data), said


@pytest.mark.parametrize("name", ["nowhere", "nowhere.tsv", "text.txt", "x" * 5000, "a\nb.tsv", "\udcff.tsv"])
def test_what_is_no_text(name, tmp_path: Path):
    (tmp_path / "text.txt").write_text(GOOD, encoding="utf-8")
    assert answer(tmp_path / name) is not None


def test_there_are_so_many(tried):
    kinds = len(CONTENTS) * len(ARCHIVES) + len(SPOILT) * 2 + len(FOLDERS) + 6
    assert kinds >= 150
    tried(f"{kinds} kinds of text, each with the documented answer")
