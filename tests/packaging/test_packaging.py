"""What an installation holds, made here as setup.py makes it: one package at the top, with the tokenizer inside."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path
from unittest.mock import patch

import pytest

import bpe
import numpy_transformer as nt

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def setup():
    """The names in setup.py, which is run with a setuptools that does nothing."""

    class Command:
        pass

    modules = {
        name: types.ModuleType(name)
        for name in ("setuptools", "setuptools.command", "setuptools.command.build_py", "setuptools.command.egg_info")
    }
    modules["setuptools"].setup = lambda **keywords: None
    modules["setuptools.command.build_py"].build_py = Command
    modules["setuptools.command.egg_info"].egg_info = Command
    with patch.dict(sys.modules, modules):
        return runpy.run_path(str(ROOT / "setup.py"))


@pytest.fixture(scope="module")
def site(setup, tmp_path_factory):
    """A folder as pip leaves it, beside the package of another author that is called bpe."""
    site = tmp_path_factory.mktemp("site-packages")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "numpy_transformer", site / "numpy_transformer", ignore=ignore)
    shutil.copytree(ROOT / "bpe", site / "numpy_transformer" / "bpe", ignore=ignore)
    for path in site.rglob("*.py"):
        path.write_text(setup["moved"](path.read_text(encoding="utf-8")), encoding="utf-8")
    (site / "bpe").mkdir()
    (site / "bpe" / "__init__.py").write_text("AUTHOR = 'another'\n", encoding="utf-8")
    return site


def run(site, folder, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_installed_module_imports_the_package_of_the_other_author(site):
    for path in (site / "numpy_transformer").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            assert not [name for name in names if name.partition(".")[0] == "bpe"], path


def test_an_installation_works_beside_the_other_package(site, tmp_path):
    program = """
import sys
import numpy_transformer as nt
from numpy_transformer import bpe
from numpy_transformer.bpe.formats import read_huggingface, write_huggingface
assert "bpe" not in sys.modules
tokenizer = bpe.train(["one two three"] * 9, vocabulary_size=270)
model = nt.Transformer(nt.TransformerConfig(
    vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=8, d_ff=8, heads=2))
assert len(nt.Translator(model, tokenizer).translate(["one"])) == 1
tokenizer.save("tokenizer.json")
write_huggingface(tokenizer, "theirs.json")
assert read_huggingface("theirs.json").digest == bpe.Tokenizer.load("tokenizer.json").digest
import bpe as another
assert another.AUTHOR == "another"
print(nt.__version__, bpe.__version__)
"""
    assert run(site, tmp_path, "-c", program).split() == [nt.__version__] * 2
    everything = """
import importlib, pkgutil, sys
import numpy_transformer
for module in pkgutil.walk_packages(numpy_transformer.__path__, "numpy_transformer."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            assert error.name.partition(".")[0] not in ("numpy_transformer", "bpe"), error  # an optional package
assert "bpe" not in sys.modules
"""
    run(site, tmp_path, "-c", everything)
    text = tmp_path / "text"
    text.write_text("one two\n", encoding="utf-8")
    ids = run(site, tmp_path, "-m", "numpy_transformer.bpe", "encode", "--tokenizer", "tokenizer.json", "text")
    assert len(ids.split()) >= 2
    assert "usage: python -m numpy_transformer.bpe" in run(site, tmp_path, "-m", "numpy_transformer.bpe", "--help")


def test_one_version_everywhere(capsys):
    from numpy_transformer.commands.train import parse_arguments

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "bpe.__version__"}
    assert nt.__version__ == bpe.__version__
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)[1] == nt.__version__
    assert f"## {nt.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        parse_arguments(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"numpy_transformer {nt.__version__}\n"


@pytest.mark.parametrize("program", ["translation_options", "export_model", "learn_shortlist"])
def test_every_program_has_a_version(program, capsys):
    import importlib

    with pytest.raises(SystemExit):
        importlib.import_module(f"numpy_transformer.commands.{program}").parse_arguments(["--version"])
    assert capsys.readouterr().out == f"numpy_transformer {nt.__version__}\n"


def test_type_checkers_may_read_both_packages():
    assert (ROOT / "numpy_transformer" / "py.typed").exists()
    assert (ROOT / "bpe" / "py.typed").exists()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    data = project["tool"]["setuptools"]["package-data"]
    assert "py.typed" in data["*"]
    patterns = [pattern for of_package in data.values() for pattern in of_package]
    # Whatever stands in the packages beside Python is installed.
    for package in ("numpy_transformer", "bpe"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                assert any(path.match(pattern) for pattern in patterns), path


def test_the_source_distribution_holds_what_the_tests_read():
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8")
    included = {"bpe", "numpy_transformer", *re.findall(r"^graft (\S+)", manifest, re.M)}
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and (path.name == ".ci" or not path.name.startswith((".", "_")))
    }
    assert included <= folders
    # The rest is not the project's: what runs and builds leave.
    assert folders - included <= {"runs", "build", "dist", "venv", "shared"} | {
        name for name in folders if name.endswith(".egg-info")
    }


def test_exported_files_have_the_modes_that_the_umask_asks_for(tmp_path):
    from seeing_example import random_translator

    from numpy_transformer.commands.export_model import export

    before = os.umask(0o027)
    try:
        export(random_translator(), "pytorch", tmp_path / "out")
        random_translator().model.save(tmp_path / "model.safetensors")
        random_translator().tokenizer.save(tmp_path / "tokenizer.json")
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 6
    assert {path.stat().st_mode & 0o777 for path in files} == {0o640}
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750
