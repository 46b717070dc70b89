"""Downloading Multi30k: over real HTTP from a local server, with small files and, if available, the real corpus."""

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from real_data import real_data

from numpy_transformer.data import multi30k
from numpy_transformer.data.files import read_lines
from numpy_transformer.data.multi30k import multi30k_files
from numpy_transformer.errors import InputError

TEXTS = {"train.en": b"A dog.\nA cat.\n", "train.de": b"Ein Hund.\nEine Katze.\n"}
ARCHIVES = {f"/raw/{name}.gz": gzip.compress(text) for name, text in TEXTS.items()}
DIGESTS = {name: hashlib.sha256(text).hexdigest() for name, text in TEXTS.items()}


class Server:
    """Serves `contents` under their paths on 127.0.0.1 and counts requests."""

    def __init__(self) -> None:
        self.contents = dict(ARCHIVES)
        self.announced_length: int | None = None
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                content = outer.contents.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(outer.announced_length or len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/raw"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no local copies and no proxy from the environment."""
    monkeypatch.setenv("NUMPY_TRANSFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("NUMPY_TRANSFORMER_DATA", "NUMPY_TRANSFORMER_MULTI30K_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def message_of(action: Callable[..., object], *arguments: object, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        action(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_download_once_then_use_the_cache(server, cache):
    for _ in range(2):
        files = multi30k_files(base_url=server.url + "/", digests=DIGESTS)
        assert {name: gzip.decompress(path.read_bytes()) for name, path in files.items()} == TEXTS
        assert all(cache in path.parents for path in files.values())
        assert sorted(server.requests) == sorted(ARCHIVES)
    assert read_lines(files["train.de"]) == ["Ein Hund.", "Eine Katze."]
    assert files_in(cache) == ["train.de.gz", "train.en.gz"]


def test_the_address_can_come_from_the_environment(server, cache, monkeypatch):
    monkeypatch.setenv("NUMPY_TRANSFORMER_MULTI30K_URL", server.url)
    assert multi30k_files(digests=DIGESTS).keys() == TEXTS.keys()


@pytest.mark.parametrize("damage", [b"", b"half", gzip.compress(b"another text\n")])
def test_a_damaged_cache_is_fetched_again(server, cache, damage):
    path = multi30k_files(base_url=server.url, digests=DIGESTS)["train.en"]
    path.write_bytes(damage)
    multi30k_files(base_url=server.url, digests=DIGESTS)
    assert gzip.decompress(path.read_bytes()) == TEXTS["train.en"]
    assert server.requests.count("/raw/train.en.gz") == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "404"),
        (b"", "not Multi30k's"),
        (b"<!DOCTYPE html><html>Sign in to this network</html>", "not a complete gzip archive"),
        (ARCHIVES["/raw/train.en.gz"][:-9], "not a complete gzip archive"),
        (ARCHIVES["/raw/train.en.gz"] + b"<html>", "not a complete gzip archive"),
        (gzip.compress(TEXTS["train.en"].replace(b"\n", b"\r\n")), "SHA-256 differs"),
    ],
)
def test_a_wrong_download_is_told_and_not_kept(server, cache, content, reason):
    server.contents["/raw/train.en.gz"] = content
    message = message_of(multi30k_files, base_url=server.url, digests=DIGESTS)
    assert message.startswith(f"{server.url}/train.en.gz: ")
    assert reason in message
    assert "--data-dir" in message
    assert files_in(cache) == []


def test_a_connection_cut_short_is_told_and_not_kept(server, cache):
    archive = ARCHIVES["/raw/train.en.gz"]
    server.contents["/raw/train.en.gz"], server.announced_length = archive[: len(archive) // 2], len(archive)
    message = message_of(multi30k_files, base_url=server.url, digests=DIGESTS)
    assert message.startswith(f"{server.url}/train.en.gz: ")
    assert files_in(cache) == []


def test_a_later_failure_keeps_the_files_that_came_whole(server, cache):
    del server.contents["/raw/train.de.gz"]
    assert "train.de.gz" in message_of(multi30k_files, base_url=server.url, digests=DIGESTS)
    assert files_in(cache) == ["train.en.gz"]


def test_no_network_and_no_address(server, cache):
    server.close()  # nobody listens at the port any more
    message = message_of(multi30k_files, base_url=server.url, digests=DIGESTS)
    assert "cannot be downloaded" in message
    assert "NUMPY_TRANSFORMER_DATA" in message
    assert "cannot be downloaded" in message_of(multi30k_files, base_url="no-address", digests=DIGESTS)
    assert files_in(cache) == []


def test_a_slow_server_is_not_waited_for_forever(server, cache, monkeypatch):
    monkeypatch.setattr(multi30k, "_TIMEOUT", 0.05)
    server.announced_length = 1000
    ready = threading.Event()

    class Patient(dict):  # the answer comes only when the client has given up
        def get(self, path: str) -> None:
            ready.wait()

    server.contents = Patient()
    message = message_of(multi30k_files, base_url=server.url, digests=DIGESTS)
    ready.set()
    assert "timed out" in message


def test_an_unusable_cache_folder_is_told(server, cache):
    cache.write_text("a file where the folder should be")
    assert "cannot be written" in message_of(multi30k_files, base_url=server.url, digests=DIGESTS)


@pytest.mark.parametrize("subfolder", ["", "multi30k"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("by_environment", [False, True])
def test_local_copies(cache, tmp_path, monkeypatch, subfolder, suffix, by_environment):
    folder = tmp_path / "data" / subfolder
    folder.mkdir(parents=True)
    for name, text in TEXTS.items():
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(text) if suffix else text)
    if by_environment:
        monkeypatch.setenv("NUMPY_TRANSFORMER_DATA", str(tmp_path / "data"))
    files = multi30k_files(None if by_environment else tmp_path / "data", digests=DIGESTS)
    assert files == {name: folder / f"{name}{suffix}" for name in TEXTS}
    assert not cache.exists()


def test_wrong_local_copies_are_told(cache, tmp_path):
    assert "holds train.en, train.en.gz" in message_of(multi30k_files, tmp_path, digests=DIGESTS)
    (tmp_path / "train.en").write_bytes(TEXTS["train.de"])
    message = message_of(multi30k_files, tmp_path, digests=DIGESTS)
    assert message.startswith(f"{tmp_path / 'train.en'}: is not the raw train.en of Multi30k")
    assert "--data PREFIX" in message
    assert "holds train.en" in message_of(multi30k_files, tmp_path / "missing", digests=DIGESTS)


def test_where_the_cache_lies(monkeypatch, tmp_path):
    for name in ("NUMPY_TRANSFORMER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert multi30k.cache_folder() == tmp_path / ".cache" / "numpy_transformer"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert multi30k.cache_folder() == tmp_path / "xdg" / "numpy_transformer"
    monkeypatch.setenv("NUMPY_TRANSFORMER_CACHE", str(tmp_path / "own"))
    assert multi30k.cache_folder() == tmp_path / "own"


def test_a_user_without_a_home(monkeypatch, tmp_path):
    """A container's user: no HOME, and no entry in /etc/passwd."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in (multi30k.CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(multi30k.Path, "home", no_home)
    monkeypatch.setattr(multi30k.tempfile, "gettempdir", lambda: str(tmp_path))
    assert multi30k.cache_folder() == tmp_path / "numpy_transformer"


def test_the_real_corpus_over_http(server, cache):
    folder = real_data("multi30k")
    server.contents = {f"/raw/{path.name}": path.read_bytes() for path in folder.glob("*.gz")}
    files = multi30k_files(base_url=server.url)
    assert len(server.requests) == 6
    for part, lines in [("train", 29_000), ("val", 1_014), ("test_2016_flickr", 1_000)]:
        for language in ("en", "de"):
            assert len(read_lines(files[f"{part}.{language}"])) == lines
