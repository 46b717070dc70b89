"""Check the checks of the GPU code that need no GPU: they must notice each deliberate mistake.

A mistake is a change of the source text: a missing barrier, a wrong index, a number in float64, a wait for the card in
the middle of a step. Each mistake is made in its own process, which reads the changed file and runs one test. That test
must fail; without the change it must pass, which is tested too. (tests/gradients/mutation.py does the same for every
derivative, tests/backend/test_kernels.py for the barriers of the reductions.)

    PYTHONPATH=. python tests/backend/test_gpu_mutations.py          every mistake, and what the test said
"""

import faulthandler
import importlib
import inspect
import itertools
import os
import shutil
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
from emulated_cuda import library_folder
from gpu_mistakes import KERNELS, MISTAKES, Check, Mistake
from hypothesis import Phase, settings
from search_mistakes import SEARCH_MISTAKES

ALL = MISTAKES | SEARCH_MISTAKES
PACKAGE = Path(__file__).resolve().parents[2] / "numpy_transformer"


def parameter_sets(check: Check) -> list[dict[str, Any]]:
    """By name: its own, or all combinations that the test's parametrize marks give."""
    test = getattr(importlib.import_module(check.module), check.test)
    if check.parameters is not None:
        return [dict(zip(inspect.signature(test).parameters, check.parameters, strict=False))]
    choices = []
    for mark in test.pytestmark:
        names, values = mark.args
        if isinstance(names, str):
            names, values = (names,), [(value,) for value in values]
        choices.append([dict(zip(names, value, strict=True)) for value in values])
    return [{name: value for part in parts for name, value in part.items()} for parts in itertools.product(*choices)]


def perform(check: Check) -> None:
    """Runs the test as pytest would."""
    with pytest.MonkeyPatch.context() as patch:
        if check.emulated:
            kernels, emulation = (importlib.import_module(name) for name in ("test_kernels", "emulated_cuda"))
            kernels.carry_out(patch, emulation.run_emulated)
        test = getattr(importlib.import_module(check.module), check.test)
        for parameters in parameter_sets(check):
            test(**parameters, **({check.needs: patch} if check.needs else {}))


def make(mistake: Mistake) -> None:
    """From now on this process reads the changed file. Raises LookupError if the file or the text is missing."""
    folders = PACKAGE, PACKAGE / KERNELS, Path(__file__).parents[1] / "support"
    places = [path for path in (folder / mistake.file for folder in folders) if path.exists()]
    if len(places) != 1:
        raise LookupError(f"{mistake.file} stands in {len(places)} places")
    [path] = places
    text = path.read_text(encoding="utf-8")
    if text.count(mistake.old) != 1:
        raise LookupError(f"{path.name} holds {mistake.old!r} {text.count(mistake.old)} times")
    changed = text.replace(mistake.old, mistake.new)
    read, load = Path.read_text, SourceFileLoader.get_code
    if path.suffix == ".py":
        SourceFileLoader.get_code = lambda self, name: (  # type: ignore[method-assign]
            compile(changed, path, "exec") if self.get_filename(name) == str(path) else load(self, name)
        )
    else:
        Path.read_text = lambda self, *args, **kwargs: (  # type: ignore[method-assign]
            changed if self == path else read(self, *args, **kwargs)
        )
    tests = Path(__file__).parents[1]
    for name, module in list(sys.modules.items()):
        if name.startswith("numpy_transformer") or tests in Path(getattr(module, "__file__", None) or "/").parents:
            del sys.modules[name]  # to be imported anew


def search_no_smaller_example() -> None:
    """From now on the first example that fails is enough for Hypothesis."""
    settings.register_profile("the first", settings.default, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("the first")


def outcome(check: Check, mistake: Mistake | None) -> str:
    """The result from a separate process: "passed", "skipped: ..." or why the test failed."""
    library_folder()  # of this process, for all that follow
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        faulthandler.disable()  # where the program is ended, the sanitizer's word is enough
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        try:
            if mistake is not None:
                make(mistake)
                search_no_smaller_example()
            perform(check)
            said = "passed"
        except pytest.skip.Exception as reason:
            said = f"skipped: {reason}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    return f"ended by signal {os.WTERMSIG(status)}: {said}" if os.WIFSIGNALED(status) else said


def skip_if_it_cannot_run(check: Check, said: str) -> None:
    if check.emulated and shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    if said.startswith("skipped: "):
        pytest.skip(said.removeprefix("skipped: "))


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.parametrize("check", dict.fromkeys(m.check for m in ALL.values()), ids=lambda check: check.test)
def test_without_a_mistake_the_check_passes(check):
    said = outcome(check, None)
    skip_if_it_cannot_run(check, said)
    assert said == "passed"


@pytest.mark.parametrize("name", ALL)
def test_the_mistake_is_noticed(name):
    mistake = ALL[name]
    said = outcome(mistake.check, mistake)
    skip_if_it_cannot_run(mistake.check, said)
    assert said != "passed"
    assert not said.startswith(("LookupError", "NameError", "SyntaxError")), said


def main() -> None:
    for name, mistake in ALL.items():
        said = " ".join(outcome(mistake.check, mistake).split())
        print(f"{name} ({Path(mistake.file).name})\n    {mistake.check.test}: {said[:200]}")


if __name__ == "__main__":
    main()
