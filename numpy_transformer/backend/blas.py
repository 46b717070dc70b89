"""The BLAS behind NumPy's matrix products: which one, with which kernels and threads, and whether it could do better.

OpenBLAS holds one set of kernels for each generation of processors and picks one when it is loaded, unless the
environment variable OPENBLAS_CORETYPE names another. A pinned kernel that leaves the processor's widest registers
unused is easy to overlook: everything works, only slower.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

# From the narrowest registers to the widest: what they are called, NumPy's names for processors that have them (older
# and newer ones), and OpenBLAS's kernels that use them and nothing wider.
_LEVELS: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    ("SSE", frozenset(), frozenset({"prescott", "core2", "nehalem", "barcelona", "bobcat", "atom"})),
    ("AVX", frozenset({"AVX"}), frozenset({"sandybridge", "bulldozer", "piledriver", "steamroller"})),
    ("AVX2", frozenset({"AVX2", "X86_V3"}), frozenset({"haswell", "zen", "excavator"})),
    ("AVX-512", frozenset({"AVX512_SKX", "X86_V4"}), frozenset({"skylakex", "cooperlake", "sapphirerapids"})),
)


def blas_pools() -> list[dict[str, Any]]:
    """What threadpoolctl knows about each BLAS that is loaded: internal_api, version, architecture, num_threads."""
    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def processor_features() -> set[str]:
    """The instruction sets that NumPy found in this processor, by NumPy's names."""
    features = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return {*features.get("baseline", []), *features.get("found", [])}


def blas_description(pools: Sequence[Mapping[str, Any]]) -> str:
    """The library, its version, the kernels it chose for this processor, and how many threads it may use now."""
    if not pools:  # one that threadpoolctl does not know, such as Apple's Accelerate
        name = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {}).get("name", "unknown")
        return f"BLAS: {name}"
    pool = pools[0]
    kernels = f", {pool['architecture']} kernels" if pool.get("architecture") else ""
    return f"{pool['internal_api']} {pool['version']}{kernels}, {pool['num_threads']} thread(s)"


def blas_advice(pools: Sequence[Mapping[str, Any]], features: set[str], environment: Mapping[str, str]) -> str | None:
    """One line if OpenBLAS uses kernels below what the processor can do, saying how to change that; else None."""
    best = max((level for level, (_, names, _) in enumerate(_LEVELS) if names & features), default=0)
    for pool in pools:
        kernel = str(pool.get("architecture")).lower()
        used = next((level for level, (*_, kernels) in enumerate(_LEVELS) if kernel in kernels), None)
        if pool["internal_api"] != "openblas" or used is None or used >= best:
            continue
        pinned = environment.get("OPENBLAS_CORETYPE")
        remedy = (
            f"OPENBLAS_CORETYPE={pinned} pins it: unset that variable"
            if pinned
            else "it has no others for this processor: install a newer OpenBLAS, as in NumPy's own wheels"
        )
        return (
            f"OpenBLAS uses its {pool['architecture']} kernels ({_LEVELS[used][0]}), though this processor has "
            f"{_LEVELS[best][0]}; {remedy}. On some processors that doubles the speed (docs/performance.md)"
        )
    return None


def limit_blas_threads(count: int) -> None:
    """Let BLAS use `count` threads, or fewer if the machine or the environment says so."""
    threadpool_limits(limits=min([count, *(pool["num_threads"] for pool in blas_pools())]), user_api="blas")
