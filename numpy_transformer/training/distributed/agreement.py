"""Whether all ranks were started alike: a rank that computes something else would spoil the sum unseen."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bpe import __version__
from numpy_transformer.errors import InputError
from numpy_transformer.training.distributed.ranks import Ranks

PACKAGES = Path(__file__).parents[3]
# What each rank may be told for itself, as hosts differ.
OF_EACH_RANK = {"workers", "data_dir"}
REMEDY = "give all hosts the same files"


@cache
def code_version() -> str:
    """The version, and a digest of all source files: a host may have an older copy."""
    sha = hashlib.sha256()
    for package in ("numpy_transformer", "bpe"):
        for path in sorted((PACKAGES / package).rglob("*")):
            if path.suffix in (".py", ".cu", ".cuh"):
                sha.update(path.name.encode() + path.read_bytes())
    return f"{__version__} ({sha.hexdigest()[:12]})"


def check_start(ranks: Ranks, given: Mapping[str, Any]) -> None:
    """Compare what the ranks were given, by the names of train.py's options, and their code.

    Raises InputError, on all ranks, that names the first rank that differs from rank 0, its host, and in what.
    """
    told = {name: value for name, value in given.items() if name not in OF_EACH_RANK}
    everybody = ranks.gather([ranks.host, told, code_version()])
    first_host, first_told, first_code = everybody[0]
    for rank, (host, other_told, other_code) in enumerate(everybody):
        who = f"rank {rank} on {host}"
        for name in [*first_told, *other_told]:
            here, there = first_told.get(name), other_told.get(name)
            if here != there:
                option = "--" + name.replace("_", "-")
                raise InputError(
                    f"{who} was started with {option} {_shown(there)}, rank 0 on {first_host} with {_shown(here)}: "
                    "give all ranks the same options"
                )
        if other_code != first_code:
            raise InputError(
                f"{who} has another code version ({other_code}, not {first_code}) than rank 0 on {first_host}: {REMEDY}"
            )


def check_texts(ranks: Ranks, digests: Mapping[str, str]) -> None:
    """Compare the digests of what ranks made of their files: tokenizer, texts. Raises InputError as `check_start`."""
    everybody = ranks.gather([ranks.host, dict(digests)])
    first_host, first = everybody[0]
    for rank, (host, other) in enumerate(everybody):
        for name, digest in first.items():
            if other.get(name) != digest:
                raise InputError(f"rank {rank} on {host} has another {name} than rank 0 on {first_host}: {REMEDY}")


def _shown(value: Any) -> str:
    return "its default" if value is None else str(value)
