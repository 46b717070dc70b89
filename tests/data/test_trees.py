"""Brackets: read, written, and refused with the line; treebanks: cleaned, cut into parts."""

import gzip
import lzma

import pytest

from numpy_transformer.data.exchange import Exchange
from numpy_transformer.data.treebank import cleaned, is_treebank, load_treebank, read_treebank
from numpy_transformer.data.trees import DEEPEST, SyntaxTree, parse_tree, read_trees
from numpy_transformer.errors import InputError

DOG = "(S (NP (DT The) (NN dog)) (VP (VBZ sees) (NP (DT the) (NN cat))) (. .))"
TREEBANK = """
( (S
    (NP-SBJ-1 (NNP Mr.) (NNP Smith))
    (VP (VBZ wants)
      (S
        (NP-SBJ (-NONE- *-1))
        (VP (TO to) (VP (VB go)))))
    (. .)))
( (NP (NP (CD 1\\/2)) (ADVP|PRT (RB off)) (NP=2 (-LRB- -LRB-) (NN x))))
"""


def test_a_tree_is_what_its_brackets_write():
    tree = parse_tree(DOG)
    assert str(tree) == DOG
    assert parse_tree(tree.indented()) == tree
    assert tree.words == ["The", "dog", "sees", "the", "cat", "."]
    assert tree.tags == ["DT", "NN", "VBZ", "DT", "NN", "."]
    assert [node.label for node in tree.nodes() if node.word is None] == ["S", "NP", "VP", "NP"]


def test_indented_trees_have_tags_side_by_side():
    assert parse_tree(DOG).indented().split("\n") == [
        "(S",
        "  (NP (DT The) (NN dog))",
        "  (VP",
        "    (VBZ sees)",
        "    (NP (DT the) (NN cat)))",
        "  (. .))",
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("(S (NP\n (PRP I))", 1, "never closed"),
        ("(S (PRP I))\n\n)", 3, "never opened"),
        ("(S (PRP I))\nword", 2, "outside of all brackets"),
        ("(S\n(NP))", 2, "neither a word nor a tree"),
        ("(S\n()\n)", 2, "neither a word nor a tree"),
        ("(S (NP I\n(X y)))", 2, "behind the word 'I'"),
        ("(S (NP (PRP I))\n me)", 2, "a bracket should open or close"),
        ("(S (PRP I\nme))", 2, "a bracket should open or close"),
        ("(S " * (DEEPEST + 1), 1, "nested more than"),
    ],
)
def test_what_does_not_balance_is_told_with_its_line(text, line, what):
    with pytest.raises(InputError, match=rf"^some\.mrg, line {line}: .*{what}"):
        list(read_trees(text, "some.mrg"))


def test_one_pair_of_brackets_is_one_tree():
    with pytest.raises(InputError, match="2 trees"):
        parse_tree("(S (PRP I)) (S (PRP I))")


def test_a_treebank_is_cleaned_as_usual(tmp_path):
    file = tmp_path / "some.mrg"
    file.write_text(TREEBANK, encoding="utf-8")
    assert list(map(str, read_treebank(file))) == [
        "(S (NP (NNP Mr.) (NNP Smith)) (VP (VBZ wants) (S (VP (TO to) (VP (VB go))))) (. .))",
        "(NP (NP (CD 1/2)) (ADVP (RB off)) (NP (-LRB- -LRB-) (NN x)))",
    ]


def test_several_trees_in_one_bracket_and_none():
    assert str(cleaned(parse_tree("( (S (VB Go)) (. .))"))) == "(TOP (S (VB Go)) (. .))"
    assert cleaned(parse_tree("( (S (NP (-NONE- *))))")) is None


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bytes])
def test_compressed_treebanks(tmp_path, pack):
    suffix = {gzip.compress: ".gz", lzma.compress: ".xz", bytes: ""}[pack]
    file = tmp_path / f"some.mrg{suffix}"
    file.write_bytes(pack(TREEBANK.encode()))
    assert is_treebank(str(file))
    assert len(read_treebank(file)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"(S (PRP I))\n(S (NP\n", "line 2: the bracket that opens here is never closed"),
        (b"(S (PRP I))\n(S (PRP \xff))", "line 2: is not UTF-8"),
        (b"\n\n", "holds no trees"),
        (b"( (S (-NONE- *)))", "holds no trees"),
    ],
)
def test_files_that_are_no_treebank(tmp_path, content, message):
    file = tmp_path / "some.mrg"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_treebank(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def numbered(count: int) -> list[SyntaxTree]:
    return [parse_tree(f"(S (NP (NN w{i})) (VP (VB go)))") for i in range(count)]


def write(path, trees):
    path.write_text("\n".join(map(str, trees)), encoding="utf-8")


def test_the_end_of_a_file_is_held_out(tmp_path):
    trees = numbered(100)
    write(tmp_path / "all.mrg", trees)
    corpus = load_treebank("all.mrg", data_directory=tmp_path)
    assert (corpus.train, corpus.valid, corpus.test) == (trees[:90], trees[90:95], trees[95:])
    assert "5 near the end" in corpus.notes[0]


def test_a_folder_and_a_validation_file(tmp_path):
    trees = numbered(10)
    for name, part in (("train", trees[:6]), ("valid", trees[5:8]), ("test", trees[8:])):
        write(tmp_path / f"{name}.mrg", part)
    corpus = load_treebank(str(tmp_path))
    assert (corpus.train, corpus.valid, corpus.test) == (trees[:6], trees[5:8], trees[8:])
    assert corpus.notes == ("1 of 3 validation sentences are in the training trees, too",)
    corpus = load_treebank(str(tmp_path / "train.mrg"), validation=str(tmp_path / "valid.mrg"))
    assert (len(corpus.train), len(corpus.valid), corpus.test) == (6, 3, [])
    (tmp_path / "valid.mrg").unlink()
    with pytest.raises(InputError, match=r"holds no valid\.mrg"):
        load_treebank(str(tmp_path))
    write(tmp_path / "two.mrg", trees[:2])
    with pytest.raises(InputError, match=r"2 tree\(s\)"):
        load_treebank(str(tmp_path / "two.mrg"))


def test_exchanged_constituents_keep_their_surroundings():
    trees = [
        parse_tree("(S (NP (DT the) (NN dog)) (VP (VBZ sees) (NP (PRP me))))"),
        parse_tree("(S (NP (PRP I)) (VP (VBP like) (NP (DT the) (NN cat))))"),
    ]
    assert Exchange(trees, 0.0).drawn((0, 0)) == trees
    seen = {str(tree) for epoch in range(50) for tree in Exchange(trees, 0.5).drawn((0, epoch))}
    subjects, objects = ("(NP (DT the) (NN dog))", "(NP (PRP I))"), ("(NP (PRP me))", "(NP (DT the) (NN cat))")
    verbs = ("(VBZ sees)", "(VBP like)")
    possible = {f"(S {a} (VP {v} {b}))" for a in subjects for v in verbs for b in objects}
    assert len(seen) > 4
    assert seen <= possible  # a subject never becomes an object
    assert Exchange(trees, 0.5).drawn((3, 1)) == Exchange(trees, 0.5).drawn((3, 1))
