"""The BLAS line at the start of a run, and the advice if a kernel is pinned below what the processor can do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from numpy_transformer.backend.blas import blas_advice, blas_description, blas_pools, processor_features

ROOT = Path(__file__).resolve().parents[2]
AVX2_MACHINE = {"X86_V2", "X86_V3"}
OLDER_NUMPY = {"SSE3", "AVX", "AVX2", "AVX512F", "AVX512_SKX"}  # the names before NumPy 2.4
AVX512_MACHINE = {"X86_V2", "X86_V3", "X86_V4", "AVX512_ICL"}


def openblas(kernel: str) -> dict[str, object]:
    return {
        "user_api": "blas",
        "internal_api": "openblas",
        "version": "0.3.31",
        "architecture": kernel,
        "num_threads": 3,
    }


@pytest.mark.parametrize(
    ("kernel", "features", "best"),
    [
        ("Haswell", AVX512_MACHINE, "AVX-512"),
        ("Haswell", OLDER_NUMPY, "AVX-512"),
        ("Sandybridge", AVX512_MACHINE, "AVX-512"),
        ("Zen", AVX512_MACHINE, "AVX-512"),
        ("Sandybridge", AVX2_MACHINE, "AVX2"),
        ("Nehalem", {"SSE3", "AVX"}, "AVX"),
    ],
)
def test_a_pinned_kernel_is_named_with_what_to_unset(kernel, features, best):
    advice = blas_advice([openblas(kernel)], features, {"OPENBLAS_CORETYPE": kernel})
    assert advice is not None
    for part in (f"its {kernel} kernels", f"has {best};", f"OPENBLAS_CORETYPE={kernel}", "unset"):
        assert part in advice
    assert "\n" not in advice


def test_a_library_without_the_kernel_is_not_blamed_on_the_environment():
    advice = blas_advice([openblas("Haswell")], AVX512_MACHINE, {})
    assert advice is not None
    assert "install a newer OpenBLAS" in advice
    assert "OPENBLAS_CORETYPE" not in advice


@pytest.mark.parametrize(
    ("pools", "features"),
    [
        ([openblas("SkylakeX")], AVX512_MACHINE),
        ([openblas("Cooperlake")], AVX512_MACHINE),
        ([openblas("Haswell")], AVX2_MACHINE),
        ([openblas("SkylakeX")], AVX2_MACHINE),  # NumPy was told to leave AVX-512 alone; OpenBLAS was not
        ([openblas("neoversen1")], {"NEON", "ASIMD"}),
        ([openblas("a kernel of the future")], AVX512_MACHINE),
        ([{"user_api": "blas", "internal_api": "mkl", "version": "2024.2", "num_threads": 2}], AVX512_MACHINE),
        ([], AVX512_MACHINE),
    ],
)
def test_no_advice_where_there_is_nothing_to_say(pools, features):
    assert blas_advice(pools, features, {"OPENBLAS_CORETYPE": "Haswell"}) is None


def test_the_description():
    assert blas_description([openblas("SkylakeX")]) == "openblas 0.3.31, SkylakeX kernels, 3 thread(s)"
    mkl = {"user_api": "blas", "internal_api": "mkl", "version": "2024.2", "num_threads": 2}
    assert blas_description([mkl]) == "mkl 2024.2, 2 thread(s)"
    assert blas_description([]).startswith("BLAS: ")


def test_the_real_library_under_a_real_pin():
    """What OpenBLAS itself does with the variable, where this machine's BLAS is OpenBLAS with AVX-512 kernels."""
    pools = blas_pools()
    wide = {"SkylakeX", "Cooperlake", "SapphireRapids"}
    if not pools or pools[0]["architecture"] not in wide or not processor_features() & AVX512_MACHINE & {"X86_V4"}:
        pytest.skip("needs OpenBLAS with its AVX-512 kernels")
    script = (
        "import os; from numpy_transformer.backend.blas import *; "
        "print(blas_advice(blas_pools(), processor_features(), os.environ))"
    )
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Haswell"}
    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "OPENBLAS_CORETYPE=Haswell pins it" in printed
