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


@cache
def code_version() -> str:
    """The version, and a digest of all source files: a host may have an older copy."""
    sha = hashlib.sha256()
    for package in ("numpy_transformer", "bpe"):
        for path in sorted((PACKAGES / package).rglob("*")):
            if path.suffix in (".py", ".cu", ".cuh"):
                sha.update(path.name.encode() + path.read_bytes())
    return f"{__version__} ({sha.hexdigest()[:12]})"


def check_agreement(ranks: Ranks, given: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Compare what the ranks were given, by the names of train.py's options, and the digests of what they made of it.

    Raises InputError, on all ranks, that names the first rank that differs from rank 0, its host, and in what.
    """
    facts = {"code version": code_version(), **digests}
    told = {name: value for name, value in given.items() if name not in OF_EACH_RANK}
    everybody = ranks.gather([ranks.host, told, facts])
    first_host, first_told, first_facts = everybody[0]
    for rank, (host, other_told, other_facts) in enumerate(everybody):
        who = f"rank {rank} on {host}"
        for name in [*first_told, *other_told]:
            here, there = first_told.get(name), other_told.get(name)
            if here != there:
                option = "--" + name.replace("_", "-")
                raise InputError(
                    f"{who} was started with {option} {_shown(there)}, rank 0 on {first_host} with {_shown(here)}: "
                    "give all ranks the same options"
                )
        for name, fact in first_facts.items():
            if other_facts.get(name) != fact:
                shown = f" ({other_facts.get(name)}, not {fact})" if name == "code version" else ""
                raise InputError(
                    f"{who} has another {name}{shown} than rank 0 on {first_host}: give all hosts the same files"
                )


def _shown(value: Any) -> str:
    return "its default" if value is None else str(value)
