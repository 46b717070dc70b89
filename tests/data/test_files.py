"""Reading text: what is accepted, and one clear line for each mistake a user can make."""

import gzip
import lzma
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.data.files import (
    LINE_LIMIT,
    ParallelText,
    find_text_file,
    read_lines,
    read_parallel,
    read_tsv,
)
from numpy_transformer.errors import InputError


def write(path: Path, content: bytes | str) -> Path:
    data = content.encode() if isinstance(content, str) else content
    compress = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)
    path.write_bytes(compress(data))
    return path


def fails(action, *arguments) -> str:
    """The one-line message of the InputError that `action` must raise."""
    with pytest.raises(InputError) as caught:
        action(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", []),
        ("one", ["one"]),
        ("one\n", ["one"]),
        ("one\ntwo", ["one", "two"]),
        ("one\n\n \n", ["one", "", " "]),
        ("\ufeffone\r\ntwo\r\n", ["one", "two"]),
        ("one \r in\r\r\n", ["one \r in\r"]),
        ("a\u2028b\x85c\x1cd\x0be\n", ["a\u2028b\x85c\x1cd\x0be"]),
        ("one\n\ufefftwo\n", ["one", "\ufefftwo"]),
        ("größer 😀\n", ["größer 😀"]),
    ],
)
def test_lines(tmp_path, suffix, content, lines):
    assert read_lines(write(tmp_path / f"text.de{suffix}", content)) == lines


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\ufeff", exclude_categories=["Cs"])), min_size=1))
def test_any_text_survives(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("text") / "text"
    assert read_lines(write(path, "".join(line + "\n" for line in lines))) == lines


def test_invalid_utf_8_names_line_and_byte(tmp_path):
    path = write(tmp_path / "latin1.de", b"Gr\xc3\xbc\xc3\x9fe\nHallo\nGr\xfc\xdfe\n")
    message = fails(read_lines, path)
    assert message.startswith(f"{path}, line 3: is not UTF-8 at byte 3 of the line (0xfc)")
    assert "convert" in message


def test_utf_16_is_told(tmp_path):
    assert "line 1: is not UTF-8 at byte 1" in fails(read_lines, write(tmp_path / "text", "Hallo\n".encode("utf-16")))


def test_a_missing_file_and_a_folder(tmp_path):
    assert "no such file" in fails(read_lines, tmp_path / "text.en")
    assert "no such file" in fails(read_lines, tmp_path / "text.en.gz")
    assert "is a folder" in fails(read_lines, tmp_path)
    (tmp_path / "folder.xz").mkdir()
    assert "is a folder" in fails(read_lines, tmp_path / "folder.xz")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may read every file")
def test_a_forbidden_file(tmp_path):
    path = write(tmp_path / "text", "one")
    path.chmod(0)
    assert "permissions" in fails(read_lines, path)


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_every_cut_of_an_archive_is_told(tmp_path, suffix):
    path = write(tmp_path / f"text{suffix}", "".join(f"sentence {i * i}\n" for i in range(100)))
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        message = fails(read_lines, path)
        assert message.startswith(f"{path}: is cut off, damaged or not a {suffix} archive")


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_what_is_no_archive_is_told(tmp_path, suffix):
    path = tmp_path / f"text{suffix}"
    path.write_bytes(b"<html>Not found</html>\n")
    assert f"not a {suffix} archive" in fails(read_lines, path)


def test_a_damaged_gzip_is_told(tmp_path):
    path = write(tmp_path / "text.gz", os.urandom(300).hex())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0x10
    path.write_bytes(damaged)
    assert "damaged" in fails(read_lines, path)


def test_an_endless_line_is_refused(tmp_path):
    path = write(tmp_path / "text", b"short\n" + b"a" * LINE_LIMIT + b"\n")
    assert "line 2: is longer than 1,048,576 bytes" in fails(read_lines, path)
    write(path, b"a" * (LINE_LIMIT - 1) + b"\n")
    assert len(read_lines(path)[0]) == LINE_LIMIT - 1


def test_parallel_files(tmp_path):
    source = write(tmp_path / "train.en", "A dog.\n\nA cat.\n")
    target = write(tmp_path / "train.de.gz", "Ein Hund.\r\nleer\r\nEine\u2028Katze.")
    text = read_parallel(source, target)
    assert text == ParallelText(["A dog.", "", "A cat."], ["Ein Hund.", "leer", "Eine\u2028Katze."])
    assert len(text) == 3


def test_misaligned_files_name_both_counts(tmp_path):
    source, target = write(tmp_path / "train.en", "a\nb\nc\n"), write(tmp_path / "train.de", "a\nb\n")
    message = fails(read_parallel, source, target)
    assert f"{source} has 3 lines but {target} has 2" in message


def test_empty_files_are_told(tmp_path):
    empty = write(tmp_path / "empty", "")
    assert f"{empty}: is empty" in fails(read_parallel, empty, empty)
    assert f"{empty}: is empty" in fails(read_tsv, empty)


def test_tsv(tmp_path):
    path = write(tmp_path / "text.tsv.xz", "\ufeffHi.\tHallo!\tCC-BY\tx\r\n\nHi.\t\n\tHallo!\n")
    assert read_tsv(path) == ParallelText(["Hi.", "", "Hi.", ""], ["Hallo!", "", "", "Hallo!"])


def test_a_line_without_a_tab_is_named(tmp_path):
    path = write(tmp_path / "text.tsv", "Hi.\tHallo!\nHi. Hallo!\n")
    assert f"{path}, line 2: has no TAB" in fails(read_tsv, path)


def test_the_plain_file_is_found_first(tmp_path):
    assert find_text_file(tmp_path, "train.en") is None
    for suffix in (".xz", ".gz", ""):
        path = write(tmp_path / f"train.en{suffix}", "one\n")
        assert find_text_file(tmp_path, "train.en") == path


def test_sides_of_parallel_text_have_equal_length():
    with pytest.raises(ValueError, match="1 sources for 0 targets"):
        ParallelText(["one"], [])
