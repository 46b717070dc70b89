"""Treebanks: files of trees in Penn Treebank brackets, as a parser learns from them.

A treebank says more than a parser is usually asked for. What is removed, as in nearly all published work on the Penn
Treebank (Bies et al. 1995 describe the marks):

- function tags and indices: NP-SBJ-1 and NP=2 become NP; of alternatives, ADVP|PRT, the first stays;
- empty elements, tagged -NONE-: traces, and words that were left out; then nodes that have no word left;
- the bracket without a label that surrounds each sentence; if it holds several trees it becomes TOP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import regex

from numpy_transformer.data.clean_text import clean_letters
from numpy_transformer.data.files import COMPRESSED_SUFFIXES, open_bytes
from numpy_transformer.data.trees import SyntaxTree, read_trees
from numpy_transformer.errors import InputError

PHRASEBOOK_TREES = "phrasebook-trees"
PHRASEBOOK_SIZES = (30_000, 500, 1000)  # training, validation, test
SUFFIXES = tuple(".mrg" + suffix for suffix in ("", *COMPRESSED_SUFFIXES))
EMPTY = "-NONE-"
SEVERAL = "TOP"
HELD_OUT = 0.05  # of a file for validation, and as much for the test
HELD_OUT_LIMIT = 1000  # sentences
LARGEST_FILE = 1 << 30  # bytes

_MARKS = regex.compile(r"(?<=^[^-].*)[-=|].*")  # -LRB- and -RRB- begin with one


@dataclass(frozen=True)
class TreeCorpus:
    """Trees for training, validation and test. Only `test` may be empty. `notes` tell the user what was done."""

    name: str
    train: list[SyntaxTree]
    valid: list[SyntaxTree]
    test: list[SyntaxTree]
    notes: tuple[str, ...] = ()


def is_treebank(data: str) -> bool:
    """Whether --data names a treebank by its suffix."""
    return data.lower().endswith(SUFFIXES)


def cleaned(tree: SyntaxTree) -> SyntaxTree | None:
    """The tree without what a parser is not asked for; None if it has no word.

    >>> from numpy_transformer.data.trees import parse_tree
    >>> print(cleaned(parse_tree("( (S (NP-SBJ-1 (-NONE- *)) (VP (VB Go)) (. .)))")))
    (S (VP (VB Go)) (. .))
    """
    if tree.label == EMPTY:
        return None
    label = _MARKS.sub("", tree.label)
    if tree.word is not None:
        return SyntaxTree(label, (), tree.word.replace("\\/", "/").replace("\\*", "*"))
    children = tuple(child for child in map(cleaned, tree.children) if child is not None)
    if not children:
        return None
    if label:
        return SyntaxTree(label, children)
    return children[0] if len(children) == 1 else SyntaxTree(SEVERAL, children)


def read_treebank(path: str | Path) -> list[SyntaxTree]:
    """The cleaned trees of a file, plain, .gz or .xz.

    Raises InputError naming the file and the line for brackets that do not balance or hold no tree, for bytes that are
    not UTF-8, and for a file without trees.
    """
    with open_bytes(path) as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise InputError(f"{path}: has more than {LARGEST_FILE:,} bytes: give smaller files of trees")
    try:
        text = clean_letters(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: is not UTF-8: convert the file, for example with iconv") from None
    trees = []
    for tree in read_trees(text, str(path)):
        whole = cleaned(tree)
        if whole is not None:
            trees.append(whole if whole.word is None else SyntaxTree(SEVERAL, (whole,)))
    if not trees:
        raise InputError(f"{path}: holds no trees: give brackets, such as (S (NP (PRP I)) (VP (VBP sleep)))")
    return trees


def load_treebank(
    data: str, *, data_directory: str | Path | None = None, validation: str | None = None, seed: int = 0
) -> TreeCorpus:
    """The trees that --data names: phrasebook-trees, which are generated from the seed, FILE.mrg, or a folder with
    train.mrg, valid.mrg and, perhaps, test.mrg.

    The sentences at the end of a single file are held out: neighbours are of one article, and would give each other
    away if they were drawn at random. With `validation`, another file, nothing is held out, and there is no test.
    Raises InputError, naming the file, the line and the remedy.
    """
    path = Path(data_directory or "", data)
    if data == PHRASEBOOK_TREES:
        if validation is not None:
            raise InputError(f"--validation {validation}: only goes with --data FILE.mrg, not with {data}")
        from numpy_transformer.data.phrasebook import split_trees  # imported here, because its tables are large

        train, valid, test = split_trees(*PHRASEBOOK_SIZES, seed=seed)
        return TreeCorpus(data, train, valid, test)
    if path.is_dir():
        if validation is not None:
            raise InputError(f"--validation {validation}: only goes with --data FILE.mrg: name it {path}/valid.mrg")
        files = {name: treebank_in(path, name) for name in ("train", "valid", "test")}
        for name in ("train", "valid"):
            if files[name] is None:
                raise InputError(f"{path}: holds no {name}.mrg, plain, .gz or .xz: add it")
        parts = [read_treebank(file) if file is not None else [] for file in files.values()]
        return TreeCorpus(path.resolve().name, parts[0], parts[1], parts[2], _overlap(parts))
    trees = read_treebank(path)
    if validation is not None:
        valid = read_treebank(Path(data_directory or "", validation))
        return TreeCorpus(path.name, trees, valid, [], _overlap([trees, valid]))
    count = min(HELD_OUT_LIMIT, max(1, int(len(trees) * HELD_OUT)))
    if len(trees) < 3:
        raise InputError(f"{path}: has {len(trees)} tree(s); training, validation and test need one each at least")
    parts = [trees[: -2 * count], trees[-2 * count : -count], trees[-count:]]
    note = f"{path}: of {len(trees):,} trees, {count:,} near the end are held out for validation, the last for the test"
    return TreeCorpus(path.name, parts[0], parts[1], parts[2], (note, *_overlap(parts)))


def treebank_in(folder: Path, name: str) -> Path | None:
    """The file `name`.mrg in a folder, plain or compressed, if there is one."""
    return next((path for suffix in SUFFIXES if (path := folder / (name + suffix)).is_file()), None)


def _overlap(parts: Sequence[Sequence[SyntaxTree]]) -> tuple[str, ...]:
    """A note for each part whose sentences stand in the training part, too."""
    known = {tuple(tree.words) for tree in parts[0]}
    counts = zip(("validation", "test"), ([tuple(t.words) in known for t in part] for part in parts[1:]), strict=False)
    return tuple(
        f"{sum(found):,} of {len(found):,} {name} sentences are in the training trees, too"
        for name, found in counts
        if any(found)
    )
