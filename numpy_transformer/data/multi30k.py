"""Multi30k task 1: 29,000 image captions in English and German (Elliott et al. 2016).

The raw files come from the corpus's repository, github.com/multi30k/dataset, folder data/task1/raw. They are
for non-commercial research and education. A file is accepted only if its uncompressed content has the SHA-256
listed here. So the corpus is the same for everyone, wherever the files came from.
"""

import gzip
import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from pathlib import Path

from numpy_transformer.data.files import find_text_file, open_bytes
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write

BASE_URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
URL_VARIABLE = "NUMPY_TRANSFORMER_MULTI30K_URL"
DATA_VARIABLE = "NUMPY_TRANSFORMER_DATA"
CACHE_VARIABLE = "NUMPY_TRANSFORMER_CACHE"

TRAIN, VALID, TEST = "train", "val", "test_2016_flickr"
DIGESTS = {
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "test_2016_flickr.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
}

_TIMEOUT = 30  # seconds without a byte
_SIZE_LIMIT = 64 << 20  # bytes; the largest real file has 637,044


def multi30k_files(
    data_directory: str | Path | None = None,
    *,
    base_url: str | None = None,
    digests: Mapping[str, str] = DIGESTS,
) -> dict[str, Path]:
    """Find the corpus's files, downloading them if necessary: {"train.en": path, ...}, each one verified.

    If `data_directory`, or else the environment variable NUMPY_TRANSFORMER_DATA, names a folder, local copies are
    used. They are in that folder or in its subfolder multi30k, plain, .gz or .xz. Otherwise the files are downloaded
    once from `base_url` (else NUMPY_TRANSFORMER_MULTI30K_URL, else the corpus's repository) into the cache folder.
    `digests` names the files and the SHA-256 of their uncompressed content.

    Raises InputError if a local copy is missing or has another content, and if a download fails or has another
    content; a failed download leaves nothing in the cache.
    """
    directory = data_directory if data_directory is not None else os.environ.get(DATA_VARIABLE)
    if directory:
        return _local_files(Path(directory), digests)
    url = base_url or os.environ.get(URL_VARIABLE) or BASE_URL
    return {name: _cached_file(name, digest, url.rstrip("/")) for name, digest in digests.items()}


def cache_folder() -> Path:
    """Where downloads are kept: NUMPY_TRANSFORMER_CACHE, else a folder in XDG_CACHE_HOME or ~/.cache.

    A container's user may have no home: then it is in the folder for temporary files. Each file is verified anyway.
    """
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder)
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "numpy_transformer"
    try:
        return Path.home() / ".cache" / "numpy_transformer"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "numpy_transformer"


def _local_files(directory: Path, digests: Mapping[str, str]) -> dict[str, Path]:
    files = {}
    for name, digest in digests.items():
        path = find_text_file(directory, name) or find_text_file(directory / "multi30k", name)
        if path is None:
            raise InputError(
                f"{directory}: neither it nor its folder multi30k holds {name}, {name}.gz or {name}.xz: "
                f"point --data-dir or {DATA_VARIABLE} to the Multi30k files, or give neither to download them"
            )
        if content_digest(path) != digest:
            raise InputError(
                f"{path}: is not the raw {name} of Multi30k task 1 (its SHA-256 differs): "
                "download it again, or give texts of your own as --data PREFIX"
            )
        files[name] = path
    return files


def _cached_file(name: str, digest: str, base_url: str) -> Path:
    path = cache_folder() / "multi30k" / f"{name}.gz"
    if path.is_file() and is_whole(path, digest):
        return path
    url = f"{base_url}/{name}.gz"
    archive = download(url)
    try:
        content = gzip.decompress(archive)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{url}: sent something that is not a complete gzip archive ({error}): {REMEDY}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(f"{url}: sent a text that is not Multi30k's {name} (its SHA-256 differs): {REMEDY}")
    with atomic_write(path) as file:
        file.write(archive)
    return path


REMEDY = f"try again later, or point --data-dir or {DATA_VARIABLE} to a folder with the files"


def download(url: str) -> bytes:
    """What the server sends for `url`. Raises InputError naming the remedy."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            archive: bytes = response.read(_SIZE_LIMIT)
    # URLErrors and time-outs are OSErrors; HTTPException: cut short; ValueError: not a URL.
    except (OSError, http.client.HTTPException, ValueError) as error:
        # A plain URLError only wraps its reason; an HTTPError says "HTTP Error 404: Not Found" itself.
        reason = error.reason if type(error) is urllib.error.URLError else error
        raise InputError(f"{url}: cannot be downloaded ({reason}): {REMEDY}") from error
    return archive


def is_whole(path: Path, digest: str) -> bool:
    """Whether the uncompressed content of a file has this SHA-256."""
    try:
        return content_digest(path) == digest
    except InputError:
        return False  # a damaged file in the cache is downloaded again


def content_digest(path: Path) -> str:
    """The SHA-256 of a file's uncompressed content."""
    with open_bytes(path) as file:
        return hashlib.sha256(file.read()).hexdigest()
