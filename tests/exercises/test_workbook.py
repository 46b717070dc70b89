"""The learner's folder and the checker in its own process: whatever lies there is answered in a line or two."""

import json
import sys

import pytest

from numpy_transformer.errors import InputError
from numpy_transformer.exercises import checker
from numpy_transformer.exercises.__main__ import main
from numpy_transformer.exercises.catalogue import EXERCISES
from numpy_transformer.exercises.checker import check, judge
from numpy_transformer.exercises.language import Texts
from numpy_transformer.exercises.workbook import Workbook, skeleton

TEXTS = Texts.load()
RELU = EXERCISES["relu_backward"]
RIGHT = "def relu_backward(dy, x):\n    return dy * (x > 0)\n"


def told(tmp_path, source, exercise=RELU):
    file = tmp_path / f"{exercise.name}.py"
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    return judge(exercise, file, TEXTS)


def test_there_are_enough_exercises_with_all_their_texts():
    assert len(EXERCISES) >= 32
    for exercise in EXERCISES.values():
        assert TEXTS.title(exercise.name)
        assert TEXTS.chapter(exercise.chapter)
        assert TEXTS.hints(exercise.name)
        for name in exercise.misconceptions:
            assert TEXTS.idea(exercise.name, name)


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)
def test_the_beginning_is_red(exercise, tmp_path):
    verdict = told(tmp_path, skeleton(exercise, TEXTS), exercise)
    assert not verdict.right
    assert "nothing is written yet" in verdict.lines[0]


def test_a_right_solution_is_right(tmp_path):
    assert told(tmp_path, RIGHT).right


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def relu_backward(dy, x)\n    return dy\n", "relu_backward.py, line 1: expected ':'"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b"x = 1\x00", "source code string cannot contain null bytes"),
        ("x = 1\n", "has no function relu_backward"),
        ("def relu_backward(x, dy):\n    return dy\n", r"relu_backward(x, dy) should be relu_backward(dy, x)"),
        ("import numpy_transformer as nt\n" + RIGHT, "line 1: it imports numpy_transformer"),
        ("from numpy_transformer.layers import activation\n" + RIGHT, "line 1: it imports numpy_transformer"),
        ("__import__('numpy_transformer')\n" + RIGHT, "line 1: it imports importlib"),
        ("def relu_backward(dy, x):\n    y = 1\n    return dy / z\n", "line 3: NameError: name 'z' is not defined"),
        ("def relu_backward(dy, x):\n    exit()\n", "ended the program"),
        ("raise KeyError('a')\n", "line 1: KeyError: 'a'"),
        ("def relu_backward(dy, x):\n    pass\n", "returned None; it should return dx"),
        ("def relu_backward(dy, x):\n    return dy.sum()\n", "dx has shape (); it should be (2, 3, 4)"),
        ("def relu_backward(dy, x):\n    return 'dx'\n", "dx is str; it should be an array"),
        ("def relu_backward(dy, x):\n    dy *= x > 0\n    return dy\n", "changed its argument dy; work on a copy"),
        (
            "def relu_backward(dy, x):\n    return dy.astype('float64') * (x > 0)\n",
            "dx is float64 where the arguments are float32",
        ),
        ("def relu_backward(dy, x):\n    return 2 * dy * (x > 0)\n", "every entry is 2 times what it should be"),
        ("def relu_backward(dy, x):\n    return -dy * (x > 0)\n", "the sign is wrong"),
        ("def relu_backward(dy, x):\n    return dy / (x > 0)\n", "dx has numbers that are not finite"),
    ],
)
def test_each_fault_has_its_line(tmp_path, source, message):
    verdict = told(tmp_path, source)
    assert not verdict.right
    assert message in " ".join(verdict.lines)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("gradients.bias[...] += 0", "gradients.weight did not change"),
        ("gradients.weight[...] += x.reshape(-1, 4).T @ d", "gradients.weight was added to what stood there"),
        ("gradients.weight = x.reshape(-1, 4).T @ d", "write into them: gradients.weight[...] = ..."),
    ],
)
def test_gradients_must_be_assigned_in_place(tmp_path, body, message):
    source = (
        "def linear_backward(dy, x, parameters, gradients):\n    d = dy.reshape(-1, 5)\n"
        f"    {body}\n    gradients.bias[...] = d.sum(axis=0)\n    return dy @ parameters.weight.T\n"
    )
    assert message in " ".join(told(tmp_path, source, EXERCISES["linear_backward"]).lines)


def test_a_solution_may_use_other_solutions(tmp_path):
    (tmp_path / "helper_of_mine.py").write_text("def positive(x):\n    return x > 0\n")
    source = "from helper_of_mine import positive\n\ndef relu_backward(dy, x):\n    return dy * positive(x)\n"
    assert told(tmp_path, source).right
    (tmp_path / "helper_of_mine.py").write_text("import numpy_transformer\n")
    assert "helper_of_mine.py, line 1: it imports numpy_transformer" in told(tmp_path, source).lines[0]


def test_prints_by_the_thousand_are_one_line(tmp_path):
    source = "def relu_backward(dy, x):\n    for i in range(100000):\n        print('here')\n    return dy\n"
    assert "(your function printed 200,000 lines; the first: here)" in told(tmp_path, source).lines


def test_the_process_of_a_solution_may_end_or_never_end(tmp_path, monkeypatch):
    file = tmp_path / "relu_backward.py"
    assert "is not there" in check(RELU, file, TEXTS).lines[0]
    file.write_text("import os\n\ndef relu_backward(dy, x):\n    os._exit(3)\n")
    assert "ended Python itself (status 3)" in check(RELU, file, TEXTS).lines[0]
    monkeypatch.setattr(checker, "SECONDS", 2)
    file.write_text("def relu_backward(dy, x):\n    while True:\n        pass\n")
    assert "no answer within 2 seconds" in check(RELU, file, TEXTS).lines[0]


# --- The folder ---


def test_start_overwrites_nothing(tmp_path):
    workbook = Workbook(tmp_path / "mine", TEXTS)
    assert "relu_backward.py written" in workbook.start([RELU])[0]
    workbook.file(RELU).write_text(RIGHT)
    assert "left as it is" in workbook.start([RELU])[0]
    assert workbook.file(RELU).read_text() == RIGHT


def test_a_folder_of_other_work_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"holds other files \(thesis.tex\)"):
        Workbook(tmp_path, TEXTS).start([RELU])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="is a file"):
        Workbook(tmp_path / "thesis.tex", TEXTS).start([RELU])


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "\x00"])
def test_a_damaged_progress_file_is_named(tmp_path, content):
    (tmp_path / "progress.json").write_text(content)
    with pytest.raises(InputError, match=r"progress\.json cannot be read"):
        Workbook(tmp_path, TEXTS).solved()


@pytest.mark.parametrize("content", ["[1]", '{"solved": 3, "hints": {"no": 1}}', '{"solved": {"relu_forward": "x"}}'])
def test_what_a_progress_file_should_not_hold_does_not_count(tmp_path, content):
    (tmp_path / "progress.json").write_text(content)
    assert Workbook(tmp_path, TEXTS).solved() == {}


# --- The program ---


def test_from_start_to_progress(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["start", "relu_backward", "relu_forward"]) == 0
    assert main(["check"]) == 1
    (tmp_path / "exercises" / "relu_backward.py").write_text(RIGHT)
    capsys.readouterr()
    assert main(["check", "relu_backward", "--json", "report.json"]) == 0
    assert capsys.readouterr().out == "relu_backward is right: 1 point(s). Next: embedding_forward\n"
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["points"] == report["of"] == 1
    assert main(["hint", "linear_backward"]) == main(["hint", "linear_backward"]) == 0
    hints = capsys.readouterr().out.split("\n")
    assert hints[0] == hints[1]  # what was given is given again, with the next
    assert hints[2] == TEXTS.hints("linear_backward")[1]
    main(["progress"])
    assert capsys.readouterr().out.startswith("1 of 42 exercises, 1 of ")
    main(["list"])
    assert "[x] relu_backward" in capsys.readouterr().out
    main(["show", "linear_backward"])
    assert "def linear_backward" in capsys.readouterr().out


def test_an_unknown_exercise_names_a_near_one():
    with pytest.raises(InputError, match="no exercise 'linear_bakward'; did you mean linear_backward"):
        main(["check", "linear_bakward"])


def test_another_language(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deutsch.toml").write_text('[exercise.relu_forward]\ntitle = "Gleichrichter"\n', encoding="utf-8")
    main(["--texts", "deutsch.toml", "list"])
    out = capsys.readouterr().out
    assert "Gleichrichter" in out
    assert "A linear map" in out  # what is not translated is in English
    with pytest.raises(InputError, match=r"missing\.toml"):
        main(["--texts", "missing.toml", "list"])


# --- Training ---


def test_right_layers_train_to_the_same_bits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["start", "relu_backward", "learning_rate"])
    (tmp_path / "exercises" / "relu_backward.py").write_text(RIGHT)
    rate = "    return scale * d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)\n"
    signature = "def learning_rate(step, d_model, warmup, scale=1.0):\n"
    (tmp_path / "exercises" / "learning_rate.py").write_text(signature + rate)
    main(["check"])
    main(["train", "--steps", "2", "--plot", "curves.png"])
    out = capsys.readouterr().out
    assert "with yours, as they stand now: learning_rate, relu_backward" in out
    assert "the losses are the same in every bit" in out
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_mistake_shows_in_the_curve(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["train", "--steps", "2", "--mistake", "layer_norm_backward: flip the sign: dnormalized - shift"])
    assert "the losses" in capsys.readouterr().out
    with pytest.raises(InputError, match="no mistake is called"):
        main(["train", "--mistake", "nothing"])


def test_every_layer_of_a_learner_fits_in_its_place(monkeypatch):
    """All solutions of solutions.py at once, in one training run: its losses are ours up to rounding."""
    import numpy as np
    import solutions

    from numpy_transformer.exercises import practice as module
    from numpy_transformer.exercises.practice import IN_TRAINING, Practice

    monkeypatch.setattr(module, "BATCH_TOKENS", 192)  # the solutions have loops
    practice = Practice()
    assert all((ids == practice.config.pad_id).any() for ids in next(practice._batches()).inputs)
    ours = list(practice.losses({}, 3))
    for names in (IN_TRAINING, *([name] for name in IN_TRAINING)):
        theirs = list(practice.losses({name: getattr(solutions, name) for name in names}, 3 if len(names) > 1 else 1))
        np.testing.assert_allclose(theirs, ours[: len(theirs)], rtol=2e-5, err_msg=str(names))


# --- Teaching ---


def test_a_folder_for_github_classroom(tmp_path):
    out = tmp_path / "class"
    main(["teach", "github", str(out), "relu_forward", "relu_backward"])
    tests = json.loads((out / ".github/classroom/autograding.json").read_text())["tests"]
    assert [test["points"] for test in tests] == [1, 1]
    assert "check relu_forward --folder ." in tests[0]["run"]
    assert (out / "relu_backward.py").read_text() == skeleton(RELU, TEXTS)
    with pytest.raises(InputError, match="exists already"):
        main(["teach", "github", str(out)])


def test_a_notebook_for_nbgrader(tmp_path):
    main(["teach", "nbgrader", str(tmp_path / "course"), "relu_backward"])
    notebook = json.loads((tmp_path / "course/source/transformer/exercises.ipynb").read_text())
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict = {}
    exec(code[0], names)
    exec(code[1], names)
    with pytest.raises(NotImplementedError):
        exec(code[2], names)
    exec(RIGHT, names)
    exec(code[2], names)
    exec(RIGHT.replace("> 0", "< 0"), names)
    with pytest.raises(AssertionError, match="dx is wrong"):
        exec(code[2], names)


def test_the_modules_run_from_anywhere(tmp_path):
    import subprocess

    command = [sys.executable, "-m", "numpy_transformer.exercises", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Linear maps" in done.stdout
