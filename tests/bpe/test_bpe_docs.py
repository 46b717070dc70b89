"""The examples in the documentation give the results it shows."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import bpe

MODULES = ["bpe", *(f"bpe.{module.name}" for module in pkgutil.iter_modules(bpe.__path__) if module.name != "__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module)
    assert failed == 0


def test_examples_in_the_guide():
    failed, attempted = doctest.testfile(str(Path(__file__).parents[2] / "docs" / "bpe.md"), module_relative=False)
    assert failed == 0
    assert attempted > 20
