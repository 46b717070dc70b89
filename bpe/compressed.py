"""Reading plain, .gz and .xz files, so that half a text is never taken for the whole.

Python's lzma.open takes whatever follows the first stream of an .xz file for padding if it cannot be read: of two
streams whose second is damaged it gives the first, and no error. Here, as in `xz -t`, only further streams and padding
may follow: zero bytes, in fours (the .xz file format, version 1.2.1, section 2.2). gzip.open reads as strictly.
"""

import gzip
import io
import lzma
import os
from collections.abc import Callable
from os import PathLike
from typing import Any, BinaryIO, cast

_CHUNK = 1 << 16
_PADDING = 4  # bytes: .xz files consist of such


def open_decompressed(path: str | PathLike[str]) -> BinaryIO:
    """Open a file for reading bytes, decompressed if its name ends in .gz or .xz.

    Reading raises EOFError, gzip.BadGzipFile, zlib.error or lzma.LZMAError for an archive that is cut or damaged.
    """
    opener = COMPRESSED_SUFFIXES.get(os.path.splitext(path)[1].lower(), _open_plain)
    return opener(path)


class _XzReader(io.RawIOBase):
    """The content of all streams of an .xz file."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 (closed by `close`)
        self._stream = lzma.LZMADecompressor()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while True:
            content = b""
            if self._stream.eof:
                content = self._after_padding(self._stream.unused_data)
                if not content:
                    return 0
                self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
            elif self._stream.needs_input:
                content = self._file.read(_CHUNK)
                if not content:
                    raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            text = self._stream.decompress(content, len(buffer))
            if text:
                buffer[: len(text)] = text
                return len(text)

    def _after_padding(self, content: bytes) -> bytes:
        """What follows the zero bytes between two streams; nothing at the end of the file."""
        zeros = 0
        while True:
            content = content or self._file.read(_CHUNK)
            rest = content.lstrip(b"\0")
            zeros += len(content) - len(rest)
            if rest or not content:
                break
            content = b""
        if zeros % _PADDING:
            raise lzma.LZMAError("what follows a stream is neither another one nor padding")
        return rest


def _open_xz(path: str | PathLike[str]) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_XzReader(path), _CHUNK))


def _open_gz(path: str | PathLike[str]) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb"))


def _open_plain(path: str | PathLike[str]) -> BinaryIO:
    return open(path, "rb")


COMPRESSED_SUFFIXES: dict[str, Callable[[str | PathLike[str]], BinaryIO]] = {".gz": _open_gz, ".xz": _open_xz}
