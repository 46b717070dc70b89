"""The machine and libraries that a benchmark ran on, for its report."""

import os
import platform
import sys
from pathlib import Path
from typing import Any


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().split("\n"):
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def available_cpus() -> list[int]:
    """The numbers of the processors this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def machine() -> dict[str, Any]:
    """Processor, how many of them, their load before the benchmark, system and Python."""
    return {
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def libraries() -> dict[str, str]:
    """The array libraries this process has imported, with the BLAS behind each and the kernel that BLAS picked."""
    found = {}
    if "numpy" in sys.modules:
        import threadpoolctl

        blas = [
            f"{pool['internal_api']} {pool['version']}, kernel {pool.get('architecture', 'unknown')}, "
            f"{pool['num_threads']} threads"
            for pool in threadpoolctl.threadpool_info()
            if pool["user_api"] == "blas"
        ]
        found["numpy"] = f"{sys.modules['numpy'].__version__} ({'; '.join(blas) or 'BLAS unknown'})"
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        # PyTorch's BLAS is linked into it, where threadpoolctl cannot see it.
        blas = [line.strip(" -") for line in torch.__config__.show().split("\n") if "Math Kernel" in line]
        found["torch"] = (
            f"{torch.__version__} ({'; '.join(blas) or 'BLAS unknown'}; {torch.backends.cpu.get_cpu_capability()}, "
            f"{torch.get_num_threads()} threads)"
        )
    if "jax" in sys.modules:
        found["jax"] = f"{sys.modules['jax'].__version__} ({sys.modules['jax'].default_backend()})"
    return found


def peak_memory() -> int | None:
    """The peak memory of this process so far, in bytes; None if the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage's figure, this one does not begin with the parent's
        for line in status.read_text().split("\n"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
