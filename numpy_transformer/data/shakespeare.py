"""Tiny Shakespeare: 1.1 MB of plays, the text on which character-level language models are compared.

It comes from github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt, and is accepted only if its SHA-256 is the
one below. The plays are in the public domain.
"""

import hashlib
import os
from pathlib import Path

from numpy_transformer.data.files import find_text_file, open_bytes
from numpy_transformer.data.multi30k import (
    DATA_VARIABLE,
    REMEDY,
    cache_folder,
    content_digest,
    download,
    is_whole,
)
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
DIGEST = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
URL_VARIABLE = "NUMPY_TRANSFORMER_SHAKESPEARE_URL"


def shakespeare_text(data_directory: str | Path | None = None, *, digest: str = DIGEST) -> str:
    """The text: from `data_directory`, or the folder that NUMPY_TRANSFORMER_DATA names, or downloaded once.

    A folder holds input.txt, plain, .gz or .xz, itself or in its folder shakespeare. Raises InputError if it holds none
    or another text, or if the download fails; a failed one leaves nothing behind.
    """
    directory = data_directory if data_directory is not None else os.environ.get(DATA_VARIABLE)
    if directory:
        path = find_text_file(directory, "input.txt") or find_text_file(Path(directory, "shakespeare"), "input.txt")
        if path is None:
            raise InputError(
                f"{directory}: neither it nor its folder shakespeare holds input.txt, plain, .gz or .xz: "
                f"point --data-dir or {DATA_VARIABLE} to it, or give neither to download it"
            )
        if content_digest(path) != digest:
            raise InputError(f"{path}: is another text (its SHA-256 differs): give your own text as --data FILE.txt")
    else:
        path = cache_folder() / "shakespeare" / "input.txt"
        if not (path.is_file() and is_whole(path, digest)):
            url = os.environ.get(URL_VARIABLE) or URL
            content = download(url)
            if hashlib.sha256(content).hexdigest() != digest:
                raise InputError(f"{url}: sent another text than expected (its SHA-256 differs): {REMEDY}")
            with atomic_write(path) as file:
                file.write(content)
    with open_bytes(path) as file:
        return file.read().decode("utf-8")
