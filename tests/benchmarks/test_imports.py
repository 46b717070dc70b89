"""Scripts that no other test runs still name what the package has: a part that moves takes its benchmarks along."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path for folder in ("benchmarks", "examples", "docs") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_import_from_the_package_exists(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
            assert all(find_spec(name) for name in modules if is_ours(name)), modules
        if isinstance(node, ast.ImportFrom) and node.module is not None and is_ours(node.module):
            module = imported(node.module)
            if module is None:
                continue
            for alias in node.names:
                known = hasattr(module, alias.name) or find_spec(f"{node.module}.{alias.name}") is not None
                assert known, f"line {node.lineno}: {node.module} has no {alias.name}"


def imported(name: str) -> ModuleType | None:
    """The module; None if it needs a library that is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if is_ours(error.name or ""):
            raise
        return None


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("bpe", "numpy_transformer")
