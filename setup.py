"""Install the tokenizer as numpy_transformer.bpe; pyproject.toml says everything else.

In the repository `bpe` stands beside numpy_transformer: it is a package of its own, which needs nothing else. PyPI has
another package of that name, and two installations with the same top-level name overwrite each other's files. So a
built package holds bpe/ as numpy_transformer/bpe/, and its modules import it from there. `pip install -e .` copies
nothing, so there it stays `bpe`.
"""

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

NAME, PLACE = "bpe", "numpy_transformer.bpe"
# The ways in which the project's modules name the package; tests/packaging checks that there are no others.
NAMINGS = (
    (re.compile(rf"^(\s*(?:>>> )?)import {NAME}$", re.MULTILINE), r"\1from numpy_transformer import bpe"),
    (re.compile(rf"^(\s*(?:>>> )?from ){NAME}(?=[. ])", re.MULTILINE), rf"\1{PLACE}"),
    (re.compile(rf"python -m {NAME}\b"), f"python -m {PLACE}"),
)


def moved(source: str) -> str:
    """The source of a module with `bpe` named by its place in an installation."""
    for pattern, replacement in NAMINGS:
        source = pattern.sub(replacement, source)
    return source


class BuildWithTokenizerInside(build_py):
    """Copies bpe to numpy_transformer/bpe, and has every module import it from there."""

    def finalize_options(self) -> None:
        """Rename the packages, unless the installation is the repository itself."""
        super().finalize_options()
        if self.editable_mode:
            return
        names = [name for name in self.packages if name == NAME or name.startswith(f"{NAME}.")]
        places = {name: PLACE + name.removeprefix(NAME) for name in names}
        self.packages = [places.get(name, name) for name in self.packages]
        self.package_dir = {**(self.package_dir or {}), PLACE: NAME}

    def build_module(self, module: str, module_file: str, package: str) -> object:
        """Copy one module."""
        built = super().build_module(module, module_file, package)
        if not self.editable_mode:
            path = Path(self.get_module_outfile(self.build_lib, package.split("."), module))
            path.write_text(moved(path.read_text(encoding="utf-8")), encoding="utf-8")
        return built


class NamedByOnePackage(egg_info):
    """Writes the metadata: the installation has one package at the top."""

    def run(self) -> None:
        """Write them."""
        super().run()
        Path(self.egg_info, "top_level.txt").write_text("numpy_transformer\n", encoding="utf-8")


setup(cmdclass={"build_py": BuildWithTokenizerInside, "egg_info": NamedByOnePackage})
