"""How programs end: exit status, one line on standard error, and never a traceback for a user's error."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import numpy_transformer.program

ROOT = Path(__file__).parents[2]  # so that the subprocesses find the packages without installation
SCRIPT = """
import sys
from numpy_transformer.errors import InputError
from numpy_transformer.program import run_program
from bpe import TokenizerError

def main():
{body}

sys.exit(run_program(main))
"""


def run(body: str) -> subprocess.CompletedProcess[str]:
    script = SCRIPT.format(body="\n".join(f"    {line}" for line in body.splitlines()))
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("train.py", "python translate.py"),
        ("/usr/bin/numpy-transformer-train", "numpy-transformer-translate"),
        ("numpy-transformer-train.exe", "numpy-transformer-translate"),
    ],
)
def test_advice_names_the_commands_as_this_one_was_called(program, command, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program])
    assert numpy_transformer.program.command("translate") == command


def test_a_package_that_is_not_installed_is_named():
    result = run("import no_such_package.part")
    assert result.returncode == 2
    assert result.stderr == "-c: the package no_such_package is missing: pip install -r requirements.txt\n"


def test_after_an_installation_by_pip_the_advice_is_pips(monkeypatch, tmp_path):
    assert numpy_transformer.program.install_command() == "pip install -r requirements.txt"
    monkeypatch.setattr(numpy_transformer.program, "ROOT", tmp_path)  # there are no files of requirements
    assert numpy_transformer.program.install_command() == "pip install numpy-transformer"
    assert numpy_transformer.program.install_command("gpu") == 'pip install "numpy-transformer[gpu]"'


def test_a_missing_module_of_ours_is_a_defect_with_its_traceback():
    assert "ModuleNotFoundError" in run("import numpy_transformer.no_such_module").stderr


@pytest.mark.parametrize("program", ["train.py", "translate.py"])
def test_before_anything_is_installed(program):
    """Without site-packages there is no NumPy."""
    result = subprocess.run([sys.executable, "-S", "-E", program, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith(f"{program}: the package ")
    assert line.endswith(" is missing: pip install -r requirements.txt")


@pytest.mark.parametrize(("body", "status"), [("print('Hallo')", 0), ("print('Hallo')\nreturn 3", 3)])
def test_the_status_of_main_is_returned(body, status):
    result = run(body)
    assert (result.returncode, result.stdout, result.stderr) == (status, "Hallo\n", "")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise InputError('train.en, line 3: is not UTF-8')", "train.en, line 3: is not UTF-8"),
        ("raise InputError('two\\nlines')", "two lines"),
        ("raise TokenizerError('tokenizer.json: is damaged')", "tokenizer.json: is damaged"),
        ("open('/no/such/file')", "/no/such/file: No such file or directory"),
        ("raise MemoryError('18 GiB')", "out of memory (18 GiB): use smaller inputs"),
        ("raise MemoryError", "out of memory: use smaller inputs"),
    ],
)
def test_what_a_user_did_is_one_line_and_status_2(body, message):
    result = run("print('so far')\n" + body)
    assert (result.returncode, result.stdout) == (2, "so far\n")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_defect_keeps_its_traceback():
    result = run("raise ValueError('ours')")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_wrong_options_end_as_argparse_ends_them():
    result = run("import argparse\nargparse.ArgumentParser().parse_args(['--what'])")
    assert result.returncode == 2
    assert "--what" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal to a Windows subprocess")
def test_ctrl_c():
    script = SCRIPT.format(body="    print('ready', flush=True)\n    import time\n    time.sleep(60)")
    program = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate()
    assert program.returncode == 130
    assert errors.endswith("interrupted\n")
    assert errors.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize(
    "body",
    [
        "for i in range(100_000): print(i)",  # the pipe breaks while writing
        "print('late')",  # ... at the last flush
        "print('late')\nsys.exit(0)",
        "print('late')\nprint('progress', file=sys.stderr)",
    ],
)
@pytest.mark.parametrize("closed", ["stdout", "both"])
def test_a_reader_that_went_away_ends_the_program_quietly(body, closed):
    script = SCRIPT.format(body="\n".join(f"    {line}" for line in ["sys.stdin.read()", *body.splitlines()]))
    program = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if closed == "both" else subprocess.PIPE,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdout.close()
    program.stdin.close()  # only now the program goes on
    errors = b"" if program.stderr is None else program.stderr.read()
    assert program.wait() == 141
    assert errors in (b"", b"progress\n")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shell")
def test_without_standard_output():
    script = SCRIPT.format(body="    print('nowhere')")
    result = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, script], cwd=ROOT, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shell")
def test_without_standard_error_messages_do_not_mix_with_the_results():
    script = SCRIPT.format(body="    print('result')\n    raise InputError('message')")
    result = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert (result.returncode, result.stdout) == (2, "result\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a device that is always full")
def test_a_full_standard_error_does_not_change_the_status():
    script = SCRIPT.format(body="    raise InputError('message')")
    with open("/dev/full", "w") as full:
        result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stderr=full)
    assert result.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a device that is always full")
@pytest.mark.parametrize("body", ["print('result')", "print('result', flush=True)", "print('x' * 100_000)"])
def test_a_full_standard_output_is_one_line(body):
    script = SCRIPT.format(body=f"    {body}")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (result.returncode, result.stderr) == (2, "-c: standard output: No space left on device\n")


def test_what_an_encoding_cannot_show_is_spelled():
    script = SCRIPT.format(body="    print('M\\xe4nner')")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "M\\xe4nner\n", "")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["translate.py", "--beam", "0", "Hello"], "translate.py"),
        (["-m", "numpy_transformer.gradcheck", "--seed", "-1"], "python -m numpy_transformer.gradcheck"),
        (["-m", "numpy_transformer.data.phrasebook", "--count", "-1"], "python -m numpy_transformer.data.phrasebook"),
    ],
)
def test_a_message_begins_with_the_program_as_it_was_called(command, name):
    result = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith(f"{name}: ")
    assert result.stderr.count("\n") == 1
