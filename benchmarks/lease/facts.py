"""What machine this is: the card, its driver, and the versions of what the other stages need, without importing it."""

import platform
import shutil
import subprocess
from importlib import metadata

NEEDED = {
    ("cupy-cuda13x", "cupy-cuda12x"): "everything",
    ("numpy",): "everything",
    ("regex",): "everything",
    ("safetensors",): "everything",
    ("threadpoolctl",): "everything",
    ("pytest",): "tests",
    ("pytest-xdist",): "tests in eight processes",
    ("hypothesis",): "tests",
    ("rich",): "training",
    ("sacrebleu",): "BLEU",
    ("matplotlib",): "learning curves",
    ("torch",): "the comparison of training",
    ("transformers",): "the comparison of decoding",
}


def versions() -> list[str]:
    """A line for each library: its version, or what is left out without it."""
    lines = []
    for names, use in NEEDED.items():
        found = [f"{name} {metadata.version(name)}" for name in names if _installed(name)]
        lines.append(", ".join(found) or f"{' or '.join(names)} is MISSING, needed for {use}")
    return lines


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> None:
    print("Python", platform.python_version(), "on", platform.platform())
    print("\n".join(versions()))
    for tool in ("nvidia-smi", "compute-sanitizer", "nvcc"):
        print(tool, shutil.which(tool) or "is MISSING")
    if shutil.which("nvidia-smi"):
        query = "name,driver_version,memory.total,memory.used,clocks.max.sm,power.limit,mig.mode.current"
        subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv"], check=False)


if __name__ == "__main__":
    main()
