"""Damaged files: single bits, cuts, splices, wrong headers. Each is refused with one line, or gives what was saved."""

import json
import random
import re
import resource
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import children
import numpy as np
import pytest

import bpe
from numpy_transformer import Transformer, TransformerConfig, Translator
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.errors import InputError
from numpy_transformer.formats.int8_folder import write_int8_folder
from numpy_transformer.storage import shipped
from numpy_transformer.storage.tensors import load_tensors, read_metadata

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of memory")
MEMORY = 1 << 30  # bytes that loading a damaged file of some kilobytes may take, at most, beyond the process's own
HOSTILE = [0, 1, -1, 2**31, 2**63, 2**64, 10**30, 1.5, None, True, "", "F32", "x" * 1000, [], {}, [[]], [2**62, 2**62]]


def saved(folder: Path) -> dict[str, tuple[Path, Callable[[Path], Any]]]:
    """name: (a whole file, how it is read; the result can be compared)."""
    tokenizer = bpe.train(["low lower lowest", "new newer newest"] * 3, vocabulary_size=273)
    tokenizer.save(folder / "tokenizer.json")
    config = TransformerConfig(
        vocabulary_size=len(tokenizer), d_model=4, d_ff=4, heads=2, encoder_layers=1, decoder_layers=1
    )
    model = Transformer(config, seed=0)
    model.save(folder / "checkpoint.safetensors")
    write_int8_folder(model, tokenizer, folder / "8 bits")
    translations = np.random.default_rng(0).integers(0, 9, (len(tokenizer), 3))
    Shortlist(always=np.arange(9), translations=translations).save(folder / "shortlist.safetensors", tokenizer="digest")
    return {
        "checkpoint": (folder / "checkpoint.safetensors", read_checkpoint),
        "tokenizer": (folder / "tokenizer.json", lambda path: bpe.Tokenizer.load(path).digest),
        "shortlist": (folder / "shortlist.safetensors", read_shortlist),
        "model of 8 bits": (folder / "8 bits" / "model.safetensors", read_checkpoint),
    }


def read_checkpoint(path: Path) -> Any:
    """Its tensors and metadata; the header alone can be read, too, or is refused."""
    with suppress(InputError):
        read_metadata(path)
    tensors, metadata = load_tensors(path)
    Transformer.load(path)
    return {name: (x.dtype.str, x.shape, x.tobytes()) for name, x in tensors.items()}, metadata


def read_shortlist(path: Path) -> Any:
    """Its two tables."""
    shortlist = Shortlist.load(path, tokenizer="digest")
    return shortlist.always.tolist(), shortlist.translations.tolist()


def damaged(content: bytes, rng: random.Random) -> bytes:
    """One change, by chance."""
    kind = rng.randrange(6)
    at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    if kind <= 1:
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == 2:
        return content[:at]
    if kind == 3:
        return content[:at] + content[end:]
    if kind == 4:
        return (
            content[:at] + rng.choice([content[at:end] * 2, rng.randbytes(end - at), bytes(end - at)]) + content[end:]
        )
    return other_header(content, rng)


def other_header(content: bytes, rng: random.Random) -> bytes:
    """Another value somewhere in the JSON of the file, which stays well-formed."""
    is_text = content[:1] == b"{"
    size = 0 if is_text else int.from_bytes(content[:8], "little")
    document = json.loads(content if is_text else content[8 : 8 + size])
    place = document
    while True:
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
            place = inner
            continue
        place[key] = rng.choice(HOSTILE)
        break
    text = json.dumps(document).encode()
    if is_text:
        return text
    length = rng.choice([len(text), len(text), size, 2**63, len(text) + 1])
    return length.to_bytes(8, "little") + text + content[8 + size :]


@pytest.mark.parametrize("name", ["checkpoint", "tokenizer", "shortlist", "model of 8 bits"])
def test_what_is_damaged_is_refused(name, amount, tried, tmp_path: Path):
    count = amount(1700, 340_000)

    def work() -> int:
        path, read = saved(tmp_path)[name]
        content, whole = path.read_bytes(), read(path)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        rng, refused, target = random.Random(0), 0, path.with_name(f"damaged{path.suffix}")
        for number in range(count):
            changed = damaged(content, rng)
            target.write_bytes(changed)
            message = None
            try:
                found = read(target)
            except (InputError, bpe.TokenizerError) as error:
                message = str(error)
            if message is None:
                assert found == whole, f"change {number} was accepted: {changed[:2000]!r}"
                continue
            assert "\n" not in message
            assert str(target) in message
            refused += 1
        print(refused)
        return 0

    status = children.done(work, tmp_path / "said")
    said = (tmp_path / "said").read_text(errors="replace")
    assert status == 0, said[-5000:]
    tried(f"{count} damaged files: {said.strip()} refused, the others gave what was saved, none another")


@pytest.mark.parametrize("name", ["checkpoint", "tokenizer", "shortlist", "model of 8 bits"])
def test_every_bit_of_the_beginning(name, amount, tried, tmp_path: Path):
    path, read = saved(tmp_path)[name]
    content, whole = path.read_bytes(), read(path)
    bits, refused = range(8 * min(len(content), amount(50, 10**9))), 0
    for bit in bits:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            assert read(path) == whole
        except (InputError, bpe.TokenizerError):
            refused += 1
    tried(f"{len(bits)} single bits: {refused} refused, none accepted with another content")


def test_a_damaged_shipped_model_is_refused(tmp_path: Path):
    folder = tmp_path / "tatoeba"
    shutil.copytree(shipped.SHIPPED / "tatoeba", folder)
    file = folder / "model.safetensors"
    content, rng = file.read_bytes(), random.Random(0)
    for at in (0, 9, *(rng.randrange(len(content)) for _ in range(20))):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :])
        with pytest.raises(InputError, match=re.escape(str(file))):
            Translator.load(folder)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=re.escape(str(file))):
        Translator.load(folder)
