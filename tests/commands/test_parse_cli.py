"""A parser from the command line: train, stop and resume, parse, draw, and invalid uses."""

import io
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from small_parser import trees, write_parser, write_treebank

import numpy_transformer as nt
from numpy_transformer.commands import parse_text, train
from numpy_transformer.data.trees import parse_tree
from numpy_transformer.seeing.tree_drawing import MOST_WORDS, drawing, save_tree
from numpy_transformer.storage.run_files import kind_of_run, runs_in
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.translation.loading import load_model

ROOT = Path(__file__).resolve().parents[2]
SIZES = ["--d-model", "16", "--d-ff", "32", "--heads", "2", "--layers", "1", "--vocabulary", "300", "--average", "2"]
STEPS = ["--batch-tokens", "128", "--warmup", "20", "--evaluate-every", "4", "--exchange", "0.3", "--workers", "2"]


def train_with(*arguments):
    return train.train(train.parse_arguments([*map(str, arguments)]))


@pytest.fixture(scope="module")
def treebank(tmp_path_factory):
    return write_treebank(tmp_path_factory.mktemp("trees") / "bank")


@pytest.fixture(scope="module")
def run(treebank, tmp_path_factory):
    """Twelve steps."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train_with("--data", treebank, *SIZES, *STEPS, "--steps", 12, "--run", folder) == 0
    return folder


@pytest.fixture(scope="module")
def parser(tmp_path_factory):
    """A run folder with a random parser."""
    return write_parser(tmp_path_factory.mktemp("random"))


def parse(capsys, *arguments):
    parse_text.main([*map(str, arguments)])
    return capsys.readouterr().out


def test_a_run_measures_brackets_and_leaves_everything(run, treebank):
    for file in ("log.jsonl", "curves.png", "samples.txt", "tokenizer.json", "checkpoints/best.safetensors"):
        assert (run / file).is_file(), file
    records = (run / "log.jsonl").read_text(encoding="utf-8")
    for figure in ("f1", "exact", "identical", "tagging", "precision", "recall"):
        assert f'"{figure}": ' in records
    assert '"kind": "test"' in records.strip().split("\n")[-1]
    assert kind_of_run(run) == "parser"
    assert runs_in(run.parent, with_model=True, kind="encoder-decoder") == []


def test_a_resumed_run_equals_one_that_was_never_stopped(run, treebank, tmp_path):
    """Bit for bit, with constituents that exchange places in every epoch."""

    def weights(folder):
        tensors, _ = load_tensors(folder / "checkpoints" / "training.safetensors")
        return np.concatenate([tensors[name].reshape(-1) for name in sorted(tensors)])

    assert train_with("--data", treebank, *SIZES, *STEPS, "--steps", 5, "--run", tmp_path / "run") == 0
    assert train_with("--resume", "--run", tmp_path / "run", "--steps", 12) == 0
    np.testing.assert_array_equal(weights(tmp_path / "run"), weights(run))


def test_a_parser_learns_its_treebank(tmp_path, capsys):
    """Trees that were learned by heart come back whole."""
    folder = write_treebank(tmp_path / "bank")
    for name in ("valid", "test"):
        (folder / f"{name}.mrg").write_text((folder / "train.mrg").read_text(encoding="utf-8"), encoding="utf-8")
    options = ["--d-model", 32, "--d-ff", 64, "--heads", 2, "--layers", 1, "--vocabulary", 300, "--norm", "pre"]
    options += ["--steps", 150, "--warmup", 40, "--rate-scale", 0.4, "--batch-tokens", 512, "--evaluate-every", 150]
    more = ["--dropout", 0, "--label-smoothing", 0, "--exchange", 0, "--workers", 1, "--run", tmp_path / "run"]
    assert train_with("--data", folder, *options, *more) == 0
    tree = trees()[7]
    out = parse(capsys, " ".join(tree.words), "--model", tmp_path / "run", "--brackets")
    assert out.strip().split("\n")[-1] == str(tree)


def test_trees_are_printed_in_both_forms(parser, capsys):
    line = parse(capsys, "The dog sees me.", "--model", parser, "--brackets")
    tree = parse_tree(line)
    assert tree.words == ["The", "dog", "sees", "me", "."]
    assert line == f"{tree}\n"
    assert parse(capsys, "The dog sees me.", "--model", parser) == f"{tree.indented()}\n"
    split = parse(capsys, "don't", "--split", "--model", parser, "--brackets")
    assert parse_tree(split).words == ["don't"]
    assert parse_tree(parse(capsys, "don't", "--model", parser, "--brackets")).words == ["do", "n't"]


def test_one_line_out_for_each_line_in(parser, capsys, tmp_path, monkeypatch):
    lines = ["I sleep.", "", "A dog sings to forty cats.", "x"] * 12
    file = tmp_path / "in.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    parse_text.main(["--input", str(file), "--output", str(tmp_path / "out.txt"), "--model", str(parser), "--brackets"])
    out = (tmp_path / "out.txt").read_text(encoding="utf-8").split("\n")
    assert len(out) == len(lines) + 1
    assert [line == "" for line in out[:-1]] == [line == "" for line in lines]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    assert parse(capsys, "--model", parser, "--brackets") == "\n".join(out)


def test_a_tree_is_drawn(parser, capsys, tmp_path):
    parse(capsys, "A dog & <cat>.", "--svg", tmp_path / "tree.svg", "--model", parser)
    root = ElementTree.fromstring((tmp_path / "tree.svg").read_text(encoding="utf-8"))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for word in ("A", "dog", "&", "<cat>", "."):
        assert word in texts


def test_words_of_a_drawing_do_not_overlap_and_children_stand_below():
    tree = parse_tree("(S (NP (DT The) (NN extraordinarily)) (VP (VBZ is) (ADJP (JJ a))) (. .))")
    root = ElementTree.fromstring(drawing(tree))
    space = "{http://www.w3.org/2000/svg}"
    texts = {element.text: element.attrib for element in root.iter(f"{space}text")}
    words = [texts[word] for word in ("The", "extraordinarily", "is", "a")]
    assert len({word["y"] for word in words}) == 1
    places = [float(word["x"]) for word in words]
    assert places == sorted(places)
    assert places[1] - places[0] > 4 * (len("The") + len("extraordinarily"))
    levels = [float(texts[label]["y"]) for label in ("S", "VP", "ADJP", "JJ", "a")]
    assert levels == sorted(levels)
    assert len(set(levels)) == 5
    leaves = sum(1 for node in tree.nodes() if node.word is not None)
    assert len(list(root.iter(f"{space}line"))) == sum(1 for _ in tree.nodes()) - 1 + leaves


def test_a_drawing_has_limits(tmp_path):
    tree = parse_tree(f"(S {'(NN a) ' * (MOST_WORDS + 1)})")
    with pytest.raises(nt.InputError, match="cannot be drawn, only up to"):
        save_tree(tmp_path / "tree.svg", tree)
    assert not (tmp_path / "tree.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dog " * 1200], r"TEXT 1: has 1,200 tokens; a parser takes 1,000 at most: split it"),
        (["a", "--beam", "0"], "--beam is 0; it must be at least 1"),
        (["a", "--input", "file"], "give TEXT or --input, not both"),
        (["a", "b", "--svg", "x.svg"], "--svg draws one sentence"),
        ([" ", "--svg", "x.svg"], "TEXT 1 is blank: there is no tree to draw"),
        (["--input", "nowhere.txt"], "--input nowhere.txt: cannot be read"),
    ],
)
def test_what_cannot_be_parsed_is_one_line(parser, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nt.InputError, match=message) as caught:
        parse_text.main([*arguments, "--model", str(parser)])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.svg").exists()


def test_a_line_that_is_too_long_is_named_and_no_file_appears(parser, tmp_path):
    (tmp_path / "in.txt").write_text("I sleep.\n" + "dog " * 1200, encoding="utf-8")
    with pytest.raises(nt.InputError, match=r"in\.txt, line 2: has"):
        parse_text.main(
            ["--input", str(tmp_path / "in.txt"), "--output", str(tmp_path / "out.txt"), "--model", str(parser)]
        )
    assert not (tmp_path / "out.txt").exists()


def test_parsers_and_translators_are_told_apart(parser, tmp_path, monkeypatch):
    with pytest.raises(nt.InputError, match=r"is a parser.*python -m numpy_transformer\.parse"):
        load_model(parser)
    with pytest.raises(nt.InputError, match="is no parser: train one with"):
        parse_text.main(["a", "--model", str(Path(nt.__file__).parent / "shipped" / "tatoeba")])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        nt.InputError, match=r"there is no parser in runs/ yet: python train\.py --data phrasebook-tree"
    ):
        parse_text.main(["a"])


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("(S (NP (PRP I))\n(S", [], r"line 1: the bracket that opens here is never closed"),
        ("(S (PRP I))\n(S (PRP I)))\n", [], r"line 2: a bracket closes that was never opened"),
        ("(S (PRP I))" * 3, ["--max-length", "2"], "no training tree has at most 2 tokens; raise --max-length"),
        ("(S (PRP I))" * 3, ["--vocabulary", "260"], "--vocabulary is 260; with the 3 symbols"),
        ("(S (PRP I))" * 3, ["--exchange", "1"], "--exchange is 1.0; it must be at least 0 and below 1"),
        ("(S (PRP I))" * 3, ["--task", "translate"], r"is not a \.tsv file"),
    ],
)
def test_trees_that_cannot_be_learned_from_are_one_line(content, options, message, tmp_path):
    (tmp_path / "some.mrg").write_text(content, encoding="utf-8")
    with pytest.raises(nt.InputError, match=message):
        train_with("--data", tmp_path / "some.mrg", *options, "--steps", "2", "--run", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_parsing_what_are_no_trees(tmp_path):
    (tmp_path / "some.tsv").write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(nt.InputError, match="outside of all brackets"):
        train_with("--data", tmp_path / "some.tsv", "--task", "parse", "--steps", "2", "--run", tmp_path / "run")


def test_what_data_names_trees(tmp_path):
    for data, learns in (("phrasebook-trees", "parse"), ("x.mrg.xz", "parse"), ("phrasebook", "translate")):
        assert TrainingOptions.for_data({"data": data}).learns == learns
    (tmp_path / "train.mrg.gz").touch()
    assert TrainingOptions.for_data({"data": ".", "data_dir": str(tmp_path)}).learns == "parse"
    assert TrainingOptions.for_data({"data": "x.mrg", "exchange": 0.0}).exchange == 0.0


def test_the_program_starts_and_says_what_is_wrong():
    command = [sys.executable, "-m", "numpy_transformer.parse", "text", "--model", "nowhere"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "python -m numpy_transformer.parse: nowhere: no such run folder" in result.stderr
    assert result.stderr.count("\n") == 1
