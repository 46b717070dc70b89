"""The page about parsing: its options are the program's, its links lead somewhere, its trees are trees."""

import re
from pathlib import Path

import pytest

from numpy_transformer.commands import parse_text
from numpy_transformer.data.penn_words import split_words
from numpy_transformer.data.phrasebook import split_trees
from numpy_transformer.data.trees import parse_tree
from numpy_transformer.seeing.tree_drawing import drawing
from numpy_transformer.tasks.bracket_scores import PUNCTUATION

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "parsing.md").read_text(encoding="utf-8")
TREES = re.findall(r"^\((?:S|SBARQ)[ \n].*?\(\. [.?]\)\)$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_options_are_those_of_the_program(capsys):
    with pytest.raises(SystemExit):
        parse_text.parse_arguments(["--help"])
    printed = set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    [table] = re.findall(r"\| option \| \|\n.*?\n\n", PAGE, re.DOTALL)
    assert printed - {"--help", "--version", "--data"} == set(re.findall(r"--[a-z]+", table))


def test_what_the_page_links_to_is_there():
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / target).exists(), target


def test_its_trees_are_trees_of_its_sentences():
    sentences = ("The dog sees the cat.", "I know the man who lives in Berlin.", "What are you looking for?")
    assert [parse_tree(text).words for text in TREES] == list(map(split_words, sentences))
    assert (DOCS / "parsing_tree.svg").read_text(encoding="utf-8") == drawing(parse_tree(TREES[1]))


def test_every_label_and_tag_of_the_phrasebook_is_explained():
    labels = {node.label for tree in split_trees(3_000, 1, 1)[0] for node in tree.nodes()} - PUNCTUATION
    explained = set(re.findall(r"[A-Z]+\$?", "".join(re.findall(r"^\|.*\|$", PAGE, re.MULTILINE))))
    assert labels <= explained, labels - explained
