"""How the command-line programs end: one clear line instead of a traceback for what a user did."""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from bpe import TokenizerError, __version__
from bpe.signals import ending_signals, status_of
from numpy_transformer.errors import InputError

ROOT = Path(__file__).parents[1]  # of the clone, or where pip installs packages
INPUT_ERROR_STATUS = 2  # argparse uses 2 for impossible options, too
CLOSED_PIPE_STATUS = 128 + 13  # what a shell reports for a program ended by SIGPIPE


def run_program(main: Callable[[], int | None], *, less_memory: str = "use smaller inputs") -> int:
    """Run `main` and return the exit status for `sys.exit`: what `main` returned, or 0 for None.

    - InputError and TokenizerError print their line to standard error; status 2.
    - So does an OSError, the system's word on a file or a device, and running out of memory. That line says what was
      asked for, where that is known, and `less_memory`: the options that lower it.
    - A package that is not installed is named, with the command that installs it; status 2.
    - Ctrl-C says so on one line; status 130. So do SIGTERM and SIGHUP (a closed terminal); status 143 and 129.
    - A reader that went away (`translate.py ... | head -1`) ends the program quietly; status 141.
    - Any other exception is a defect of the program and keeps its traceback.

    A character that the terminal's encoding cannot show is spelled (\\xe4): it must not end the program.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:  # started without one: messages go nowhere, rather than among the results
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the end)
    try:
        with ending_signals():
            try:
                return main() or 0
            finally:
                # A closed pipe is noticed here rather than by the interpreter at its very end.
                # (Standard output is None when the program was started without one.)
                if sys.stdout is not None:
                    sys.stdout.flush()
    except (InputError, TokenizerError) as error:
        return _complain(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("numpy_transformer", "bpe"):
            raise  # ours: a defect
        return _complain(f"the package {error.name} is missing: {install_command()}")
    except KeyboardInterrupt as interrupt:
        return _complain("interrupted", status_of(interrupt))
    except BrokenPipeError:
        _silence_standard_streams()
        return CLOSED_PIPE_STATUS
    except OSError as error:
        # Files are written by atomic_write, which names them; what has no name and finds no space is a standard stream.
        nameless = "standard output: " if error.errno == errno.ENOSPC else ""
        name = f"{error.filename}: " if error.filename is not None else nameless
        _discard_output()
        return _complain(f"{name}{error.strerror or error}")
    except MemoryError as error:
        asked = f" ({error})" if str(error) else ""  # NumPy says how large an array of which shape it could not have
        return _complain(f"out of memory{asked}: {less_memory}")


def add_version(parser: argparse.ArgumentParser) -> None:
    """Let the program answer --version."""
    parser.add_argument("--version", action="version", version=f"numpy_transformer {__version__}")


def command(name: str) -> str:
    """How to start train or translate: by the installed command if this program was started so, else by the file."""
    prefix = "numpy-transformer-"
    return f"{prefix}{name}" if Path(sys.argv[0]).name.startswith(prefix) else f"python {name}.py"


def install_command(extra: str = "") -> str:
    """How to install what this package needs, or needs for an extra such as "gpu".

    A clone has files that list it. Where there are none, this package was installed by pip, which knows its extras.
    """
    file = f"requirements-{extra}.txt" if extra else "requirements.txt"
    if (ROOT / file).is_file():
        return f"pip install -r {file}"
    return f'pip install "numpy-transformer[{extra}]"' if extra else "pip install numpy-transformer"


def _complain(message: str, status: int = INPUT_ERROR_STATUS) -> int:
    line = " ".join(message.splitlines())
    try:
        print(f"{program_name()}: {line}", file=sys.stderr)
    except OSError:  # nobody reads it, or its disk is full
        _silence_standard_streams()
    return status


def program_name() -> str:
    """As the user called it: translate.py, or python -m some.package."""
    spec = sys.modules["__main__"].__spec__
    if spec is not None and spec.origin == sys.argv[0]:
        return f"python -m {spec.name.removesuffix('.__main__')}"
    return Path(sys.argv[0]).name


def _silence_standard_streams() -> None:
    """Both go nowhere from now on."""
    _discard_output()
    os.dup2(1, 2)


def _discard_output() -> None:
    """Discard what is still buffered; otherwise the interpreter's own flush would complain again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
