"""Ctrl-C while a program still imports its libraries: no traceback, and the shell hears that it was Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
ROOT = Path(__file__).resolve().parents[2]
# Python imports this module before it begins a program. It presses Ctrl-C when the program asks for a certain module.
PRESSES = """
import os, signal, sys

class Presses:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["PRESS_AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Presses())
"""
PROGRAMS = {
    "train.py": ["numpy", "safetensors", "numpy_transformer.program", "numpy_transformer.training.options"],
    "translate.py": ["numpy", "regex", "numpy_transformer.translation.translator", "numpy_transformer.decoding.beam"],
    "score.py": ["numpy", "numpy_transformer.program"],
}


@pytest.mark.parametrize(("script", "module"), [(name, module) for name in PROGRAMS for module in PROGRAMS[name]])
def test_ctrl_c_during_the_imports(script, module, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(PRESSES, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PRESS_AT": module}
    ended = subprocess.run(
        [sys.executable, ROOT / script, "--help"],
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode in (-signal.SIGINT, 128 + signal.SIGINT), ended
