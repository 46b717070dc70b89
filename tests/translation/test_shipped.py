"""The model that comes with the package: who gets it, by which name, and what its files must be."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from seeing_example import random_translator

import numpy_transformer as nt
from numpy_transformer.commands import translate
from numpy_transformer.commands.export_model import export
from numpy_transformer.errors import InputError
from numpy_transformer.storage import shipped

SENTENCES = ["We see a house.", "The dog runs home.", "A cat sees the dog."]
PARAGRAPH = " ".join(SENTENCES)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that comes with a small random model under the usual name; its folder."""
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "package")
    folder = tmp_path / "package" / "tatoeba"
    (tmp_path / "package").mkdir()
    export(random_translator(), "int8", folder)
    config = {"options": {"source": "en", "target": "de"}, "about": "English to Dog", "sentences": True}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture):
    """Runs translate.py in a folder of its own: arguments, input -> status, standard output, standard error."""
    place = tmp_path / "place"
    place.mkdir()

    def run(*arguments: object, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["translate.py", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = translate.main()
        out, err = capfdbinary.readouterr()
        return status, out.decode("utf-8"), err.decode("utf-8")

    run.place = place
    return run


def test_it_translates_where_there_is_no_run_and_standard_error_says_so(box, run):
    expected = nt.Translator.load(box).translate(["the dog"])[0]
    status, out, err = run("the dog")
    assert (status, out) == (0, expected + "\n")
    assert err == "model: tatoeba (English to Dog); a run of your own in runs/ will come first\n"


def test_a_run_of_ones_own_comes_first(box, run):
    own = random_translator(seed=9)
    own.model.save(run.place / "runs" / "own" / "checkpoints" / "best.safetensors")
    own.tokenizer.save(run.place / "runs" / "own" / "tokenizer.json")
    assert run("the dog") == (0, own.translate(["the dog"])[0] + "\n", "")
    shipped_answer = nt.Translator.load("tatoeba").translate(["the dog"])[0] + "\n"
    assert run("the dog", "--model", "tatoeba") == (0, shipped_answer, "")


def test_only_the_bare_name_is_the_shipped_model(box, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = random_translator(seed=9)
    mine.model.save(tmp_path / "tatoeba" / "checkpoints" / "best.safetensors")
    mine.tokenizer.save(tmp_path / "tatoeba" / "tokenizer.json")
    for path in ("./tatoeba", Path("tatoeba"), tmp_path / "tatoeba"):
        np.testing.assert_array_equal(nt.Translator.load(path).model.parameters.flat, mine.model.parameters.flat)
    assert not np.array_equal(nt.Translator.load("tatoeba").model.parameters.flat, mine.model.parameters.flat)


@pytest.mark.parametrize("name", ["nobody", "", "..", "tatoeba/", "tatoeba\0", "package", "a b"])
def test_other_names_are_paths(box, name):
    assert shipped.shipped_model(name) is None


def test_a_paragraph_is_split_into_its_sentences(box, run):
    translator = nt.Translator.load("tatoeba")
    assert translator.sentences
    alone = [
        translator.translate([part])[0] for part in ("We see a house.", "The dog runs home.", "A cat sees the dog.")
    ]
    assert translator.translate([PARAGRAPH, "", "dogs run"]) == [
        " ".join(alone),
        "",
        translator.translate(["dogs run"])[0],
    ]
    assert run(PARAGRAPH)[1] == " ".join(alone) + "\n"
    # What is asked of the whole line is asked of the whole line, not of each sentence.
    [[whole]] = translator.hypotheses([PARAGRAPH], constraints=nt.Constraints(prefix="the"))
    assert run(PARAGRAPH, "--prefix", "the")[1] == whole.text + "\n"


def test_the_error_of_a_text_that_is_none_is_the_usual_one(box):
    with pytest.raises(InputError, match="not a single str"):
        nt.Translator.load("tatoeba").translate("the dog")
    with pytest.raises(InputError, match="is a int, not a str"):
        nt.Translator.load("tatoeba").translate(["the dog", 7])


def test_everything_else_works_with_it(box, run, tmp_path):
    """The page's description, n-best lists, alignments, attention."""
    from numpy_transformer.serve import about_models

    about = about_models(translate.model_paths(translate.parse_arguments(["--model", "tatoeba"])))
    assert (about.name, about.languages) == ("tatoeba", ("en", "de"))
    status, out, _ = run("the dog", "--model", "tatoeba", "--n-best", "3", "--alignment", tmp_path / "links")
    assert (status, out.count("\n")) == (0, 3)
    assert (tmp_path / "links").exists()
    assert run("the dog", "--model", "tatoeba", "--attention", tmp_path / "map.html")[0] == 0


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("model.safetensors", "cut"),
        ("model.safetensors", "changed"),
        ("tokenizer.json", "cut"),
        ("tokenizer.json", "changed"),
        ("tokenizer.json", "gone"),
    ],
)
def test_damage_is_one_line_with_the_remedy(box, run, name, how):
    content = bytearray((box / name).read_bytes())
    if how == "gone":
        (box / name).unlink()
    elif how == "cut":
        (box / name).write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        (box / name).write_bytes(content)
    status, out, err = run("the dog", "--model", "tatoeba")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert name in err
    assert err.endswith("install the package again\n")


# --- The real one ---


@pytest.fixture(scope="module")
def real() -> nt.Translator:
    if shipped.shipped_model("tatoeba") is None:
        pytest.skip("this copy of the package comes without a model: see docs/models.md")
    return nt.Translator.load("tatoeba")


def test_what_people_type_first(real):
    """Several answers are right; each of these lines is one."""
    answers = {
        "hello": {"Hallo!", "Hallo."},
        "Hello!": {"Hallo!"},
        "how are you": {"Wie geht es dir?", "Wie geht es Ihnen?", "Wie geht's dir?"},
        "Where is the train station?": {"Wo ist der Bahnhof?"},
        "Can you help me?": {"Kannst du mir helfen?", "Können Sie mir helfen?"},
    }
    found = real.translate(list(answers))
    assert [text for text, good in zip(found, answers.values(), strict=True) if text not in good] == []


def test_the_files_are_small_and_complete(real):
    folder = shipped.shipped_model("tatoeba")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 10_000_000
    assert {"model.safetensors", "tokenizer.json", "config.json", "samples.txt"} <= {p.name for p in folder.iterdir()}
    assert real.sentences
