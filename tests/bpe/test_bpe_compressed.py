"""Half a text is never taken for the whole."""

import gzip
import lzma
import shutil
import subprocess
import zlib

import pytest

from bpe.__main__ import main
from bpe.compressed import open_decompressed
from numpy_transformer.data.files import read_lines
from numpy_transformer.errors import InputError

FIRST, SECOND = b"first\n" * 150, b"second\n" * 150
COMPRESS = {".gz": gzip.compress, ".xz": lzma.compress}
ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)


def damaged_ends() -> dict[str, tuple[str, bytes]]:
    """name: (suffix, what follows a whole first stream)."""
    ends = {}
    for suffix, compress in COMPRESS.items():
        second = compress(SECOND)
        ends |= {
            f"{suffix} byte {at} of the second": (suffix, flipped(second, at)) for at in (0, 1, 5, 8, len(second) - 1)
        }
        ends |= {f"{suffix} cut after {at}": (suffix, second[:at]) for at in (1, 3, 11, 30, len(second) - 1)}
        ends |= {f"{suffix} garbage": (suffix, b"garbage behind"), f"{suffix} a letter": (suffix, b"x")}
    return ends | {
        ".xz three zeros": (".xz", b"\0" * 3),
        ".xz five zeros, then a stream": (".xz", b"\0" * 5 + lzma.compress(SECOND)),
    }


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


@pytest.mark.parametrize("name", damaged_ends())
def test_what_follows_a_stream_is_whole_or_an_error(name, tmp_path, capsys):
    suffix, end = damaged_ends()[name]
    path = tmp_path / f"text{suffix}"
    path.write_bytes(COMPRESS[suffix](FIRST) + end)
    try:
        with open_decompressed(path) as file:
            content = file.read()
    except ERRORS:
        with pytest.raises(InputError, match="is cut off, damaged or not a"):
            read_lines(path)
        assert main(["train", str(path), "--output", str(tmp_path / "t.json")]) == 2
        assert capsys.readouterr().err.startswith(f"error: cannot read {path}: ")
        assert not (tmp_path / "t.json").exists()
    else:  # a flipped bit that means nothing, such as one of gzip's time stamp
        assert content == FIRST + SECOND


@pytest.mark.parametrize("padding", [0, 4, 8, 1 << 17])
def test_streams_and_padding(padding, tmp_path):
    path = tmp_path / "text.xz"
    zeros = b"\0" * padding
    path.write_bytes(lzma.compress(FIRST) + zeros + lzma.compress(b"") + lzma.compress(SECOND * 10_000) + zeros)
    with open_decompressed(path) as file:
        assert file.readline() == b"first\n"
        assert file.read() == FIRST[6:] + SECOND * 10_000
        assert file.read() == b""


@pytest.mark.skipif(shutil.which("xz") is None, reason="no xz")
def test_the_verdict_is_that_of_xz(tmp_path):
    for name, (suffix, end) in damaged_ends().items():
        if suffix == ".xz":
            path = tmp_path / "text.xz"
            path.write_bytes(lzma.compress(FIRST) + end)
            is_whole = subprocess.run(["xz", "-tq", path]).returncode == 0
            try:
                with open_decompressed(path) as file:
                    file.read()
                assert is_whole, name
            except ERRORS:
                assert not is_whole, name
