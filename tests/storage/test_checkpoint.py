"""Checkpoints: any tensors survive, any damage is noticed, and an existing file is complete."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.storage.tensors import load_tensors, map_tensors, read_metadata, save_tensors

DTYPES = ["float64", "float32", "float16", "int64", "int32", "uint64", "uint32", "uint8", "bool"]
TENSORS = st.dictionaries(
    st.text().filter(lambda name: name != "__metadata__"),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=5,
)
METADATA = st.dictionaries(st.text(), st.text(), max_size=4)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "step-00000001.safetensors"
    tensors = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}
    save_tensors(path, tensors, {"config": '{"D": 128}', "text": "süß"})
    return path


def message_of(action, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tensors=TENSORS, metadata=METADATA)
def test_round_trip(tmp_path, tensors, metadata):
    path = tmp_path / "any.safetensors"
    save_tensors(path, tensors, metadata)
    loaded, loaded_metadata = load_tensors(path)
    assert loaded_metadata == read_metadata(path) == metadata
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert loaded[name].shape == tensor.shape
        assert loaded[name].tobytes() == tensor.tobytes()  # bit for bit: NaNs and signs of zero, too
        assert loaded[name].flags.writeable
        assert loaded[name].flags.aligned


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tensors=TENSORS, metadata=METADATA)
def test_any_safetensors_reader_opens_our_files(tmp_path, tensors, metadata):
    path = tmp_path / "any.safetensors"
    save_tensors(path, tensors, metadata)
    loaded = load_file(path)
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        np.testing.assert_array_equal(loaded[name], tensor)


def test_equal_content_gives_equal_files(tmp_path, small):
    tensors, metadata = load_tensors(small)
    backwards = tmp_path / "backwards.safetensors"
    save_tensors(backwards, dict(reversed(tensors.items())), dict(reversed(metadata.items())))
    assert backwards.read_bytes() == small.read_bytes()


def test_strided_and_big_endian_tensors(tmp_path):
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    tensors = {"transposed": whole.T, "every other": whole[::2, ::-3], "big-endian": whole.astype(">f4")}
    save_tensors(tmp_path / "views", tensors, {})
    loaded, _ = load_tensors(tmp_path / "views")
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(loaded[name], tensor)


def test_every_flipped_bit_is_noticed_or_changes_nothing(small):
    whole, (tensors, metadata) = small.read_bytes(), load_tensors(small)
    unnoticed = []
    for position in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            small.write_bytes(damaged)
            try:
                loaded, loaded_metadata = load_tensors(small)
            except InputError:
                continue
            unnoticed.append((position, bit))
            assert loaded_metadata == metadata
            assert {name: (x.dtype, x.shape, x.tobytes()) for name, x in loaded.items()} == {
                name: (x.dtype, x.shape, x.tobytes()) for name, x in tensors.items()
            }
    # Two spellings of the header's JSON can mean the same (the "ü" is written \\u00fc, and \\u00fC would do);
    # two header lengths or two tensors cannot.
    header_end = 8 + int.from_bytes(whole[:8], "little")
    assert all(8 <= position < header_end for position, _ in unnoticed)


def test_every_cut_and_every_addition_is_noticed(small):
    whole = small.read_bytes()
    for length in range(len(whole)):
        small.write_bytes(whole[:length])
        assert "is damaged" in message_of(load_tensors, small)
    small.write_bytes(whole + b"\0")
    assert "is damaged" in message_of(load_tensors, small)


def test_reading_the_metadata_of_a_damaged_file_never_fails_otherwise(small):
    whole = small.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x80
        for content in (bytes(damaged), whole[:position]):
            small.write_bytes(content)
            try:
                metadata = read_metadata(small)
            except InputError:
                continue
            assert metadata == {"config": '{"D": 128}', "text": "süß"}


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "dtype", "shape", "data_offsets", "metadata", "sha256"]), inner, max_size=4
        )
    ),
)
TENSOR_HEADERS = st.builds(
    lambda dtype, shape, offsets: {"dtype": dtype, "shape": shape, "data_offsets": offsets},
    st.sampled_from(["F32", "F64", "BOOL", "BF16", "F8_E5M2", "X"]) | st.none(),
    st.lists(st.integers(-2, 5) | st.sampled_from([2**62, 2**64 - 1, 2**70]), max_size=3) | st.just([1] * 70),
    st.tuples(st.sampled_from([0, 0, 0, 4]), st.sampled_from([0, 0, 4, 32])),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    header=JSON | TENSOR_HEADERS, entry=JSON | st.just({"metadata": {}, "sha256": ""}), length=st.sampled_from([0, 32])
)
def test_a_forged_header_never_fails_otherwise(tmp_path, header, entry, length):
    path = tmp_path / "forged"
    write_forged(path, {"__metadata__": {"numpy_transformer": json.dumps(entry)}, "a": header}, length)
    assert "is damaged" in message_of(load_tensors, path)


def test_a_deeply_nested_entry_is_refused(tmp_path):
    path = tmp_path / "forged"
    write_forged(path, {"__metadata__": {"numpy_transformer": "[" * 100_000}}, 0)
    assert "is damaged" in message_of(load_tensors, path)


def test_metadata_must_be_text(tmp_path):
    path = tmp_path / "forged"
    entry = {"metadata": {"step": 7}, "sha256": "0" * 64}
    write_forged(path, {"__metadata__": {"numpy_transformer": json.dumps(entry)}}, 0)
    for read in (load_tensors, read_metadata):
        assert "is damaged" in message_of(read, path)


def write_forged(path: Path, header: object, length: int) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(length))


def test_what_is_no_checkpoint_is_told(tmp_path):
    save_file({"weight": np.ones(3)}, tmp_path / "foreign.safetensors")
    (tmp_path / "text").write_text("Hallo\n" * 100)
    (tmp_path / "empty").touch()
    for read in (load_tensors, read_metadata):
        for name in ("foreign.safetensors", "text", "empty"):
            assert "not a checkpoint" in message_of(read, tmp_path / name)
        assert "no such checkpoint" in message_of(read, tmp_path / "missing")
        assert "is a folder" in message_of(read, tmp_path)


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "never"
    with pytest.raises(TypeError, match="complex128"):
        save_tensors(path, {"weight": np.ones(3, complex)}, {})
    with pytest.raises(TypeError, match="'step' must be text, not int"):
        save_tensors(path, {}, {"step": 7})
    with pytest.raises(ValueError, match="__metadata__"):
        save_tensors(path, {"__metadata__": np.ones(3)}, {})
    assert list(tmp_path.iterdir()) == []


def test_loaded_arrays_do_not_reach_into_the_file(small):
    tensors, _ = load_tensors(small)
    before = small.read_bytes()
    tensors["weight"] += 1
    assert small.read_bytes() == before
    np.testing.assert_array_equal(load_tensors(small)[0]["weight"] + 1, tensors["weight"])


def test_mapped_arrays_are_the_file_and_cannot_be_written(small):
    (mapped, metadata), (loaded, expected) = map_tensors(small), load_tensors(small)
    assert metadata == expected
    assert mapped.keys() == loaded.keys()
    for name, tensor in mapped.items():
        assert tensor.dtype == loaded[name].dtype
        np.testing.assert_array_equal(tensor, loaded[name])
        with pytest.raises(ValueError, match="read-only"):
            tensor[...] = 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "config.json"
    path.write_text("old")

    def write_half() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_makes_folders_and_keeps_links(tmp_path):
    path, link = tmp_path / "new" / "folder" / "file", tmp_path / "link"
    for content in (b"first", b"second"):
        with atomic_write(path) as file:
            file.write(content)
        assert path.read_bytes() == content
    link.symlink_to(path)
    with atomic_write(link) as file:
        file.write(b"third")
    assert link.is_symlink()
    assert path.read_bytes() == b"third"


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_permissions_follow_the_umask(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_write(tmp_path / "atomic") as file:
        file.write(b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("old")
    for path, reason in [(tmp_path, "is a folder"), (tmp_path / "file" / "below", "cannot be written")]:
        assert reason in message_of(save_tensors, path, {"weight": np.ones(3)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a device that is always full")
def test_a_device_is_never_replaced():
    assert "device" in message_of(save_tensors, "/dev/full", {"weight": np.ones(3)}, {})
    assert Path("/dev/full").is_char_device()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="only some systems give open files a name")
def test_an_open_file_is_never_replaced(tmp_path):
    """By the name of its stream: the log's earlier content would be lost."""
    with open(tmp_path / "log", "w+") as log:
        log.write("old")
        log.flush()
        assert "device" in message_of(save_tensors, f"/dev/fd/{log.fileno()}", {"weight": np.ones(3)}, {})
    assert (tmp_path / "log").read_text() == "old"
