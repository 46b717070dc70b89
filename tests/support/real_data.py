"""Where tests find the real corpora: NUMPY_TRANSFORMER_DATA, or shared/data beside the repository."""

import os
from pathlib import Path

import pytest


def real_data(name: str) -> Path:
    """The folder of a real corpus; without it the calling test is skipped."""
    folder = os.environ.get("NUMPY_TRANSFORMER_DATA") or Path(__file__).parents[3] / "shared" / "data"
    path = Path(folder, name)
    if not path.is_dir():
        pytest.skip(f"the real corpus {name} is not here: set NUMPY_TRANSFORMER_DATA to the folder that holds it")
    return path
