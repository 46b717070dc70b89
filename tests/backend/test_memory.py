"""How much memory is free: what the machine has left, what its container allows, the page cache not counted as used."""

from pathlib import Path

import pytest

from numpy_transformer.backend.memory import available_memory


def test_available_memory_is_the_least_of_what_is_free_and_allowed(tmp_path):
    assert available_memory(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:    4000 kB\n")
    assert available_memory(tmp_path) == 4000 * 1024
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.current").write_text("1000\n")
    (group / "memory.max").write_text("max\n")
    assert available_memory(tmp_path) == 4000 * 1024
    (group / "memory.max").write_text("5000\n")
    assert available_memory(tmp_path) == 4000


def write(folder: Path, **files: str) -> None:
    """Files of a control group: memory_max="5000" is memory.max."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text + "\n")


def test_the_page_cache_is_available(tmp_path):
    """Reading the training text must not look as if the container's memory was used up."""
    stat = "anon 100\nfile 4000\ninactive_file 2000\nactive_file 1500\nshmem 500\nslab_reclaimable 200"
    write(tmp_path / "sys/fs/cgroup", memory_max="5000", memory_current="4900", memory_stat=stat)
    assert available_memory(tmp_path) == 5000 - (4900 - 2000 - 1500 - 200)
    write(tmp_path / "sys/fs/cgroup", memory_current="3000")  # read a moment before the statistics
    assert available_memory(tmp_path) == 5000


def test_the_first_version_of_control_groups(tmp_path):
    stat = "cache 4000\ninactive_file 1\ntotal_inactive_file 2000\ntotal_active_file 1500"
    group = tmp_path / "sys/fs/cgroup/memory"
    write(group, memory_limit_in_bytes="5000", memory_usage_in_bytes="4900", memory_stat=stat)
    assert available_memory(tmp_path) == 5000 - (4900 - 2000 - 1500)


@pytest.mark.parametrize(
    ("entry", "place", "limit", "usage"),
    [
        ("0::/user.slice/job", "", "memory_max", "memory_current"),
        ("4:cpu,memory:/user.slice/job", "memory", "memory_limit_in_bytes", "memory_usage_in_bytes"),
    ],
)
def test_the_groups_around_a_process_count(tmp_path, entry, place, limit, usage):
    """A job of a batch system or of systemd is limited in a group of its own, or in one around it."""
    top = tmp_path / "sys/fs/cgroup" / place
    write(tmp_path / "proc/self", cgroup=f"9:pids:/other\n{entry}")
    assert available_memory(tmp_path) is None
    write(top / "user.slice/job", **{limit: "9000", usage: "1000"})
    assert available_memory(tmp_path) == 8000
    write(top / "user.slice", **{limit: "9000", usage: "3000"})
    assert available_memory(tmp_path) == 6000
    write(top / "other", **{limit: "10", usage: "10"})
    assert available_memory(tmp_path) == 6000
