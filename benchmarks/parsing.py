"""Parsing: a PCFG read off the same trees, and a trained parser, in one table.

    python benchmarks/parsing.py split wsj_0001-0180.mrg.gz wsj      # NLTK's sample: files 1-160, 161-170, 171-180
    python benchmarks/parsing.py pcfg wsj --part valid               # a line for each order of Markovisation
    python benchmarks/parsing.py model wsj runs/wsj --part valid     # the same measures of a trained model

Choose on `--part valid`; `--part test` is for the end.
"""

import argparse
import gzip
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.pcfg import Grammar
from numpy_transformer.data.treebank import load_treebank
from numpy_transformer.data.trees import SyntaxTree
from numpy_transformer.tasks.bracket_scores import bracket_scores
from numpy_transformer.tasks.opening import open_parser
from numpy_transformer.tasks.parsing import Parser

ORDERS = ((1, 1), (2, 1), (1, 2))  # h, v
LAST_FILES = (10, 10)  # of the sample: validation, test


def split_sample(sample: Path, folder: Path) -> None:
    """Cut the sample into train.mrg, valid.mrg and test.mrg.

    A blank line stands before the first tree of each file of the Wall Street Journal, with two exceptions somewhere,
    so files are counted from the end: the last is 180.
    """
    lines = gzip.decompress(sample.read_bytes()).decode("utf-8").split("\n")
    files = [i for i, line in enumerate(lines) if line.startswith("(") and (i == 0 or not lines[i - 1].strip())]
    valid, test = LAST_FILES
    ends = (files[-valid - test], files[-test], len(lines))
    folder.mkdir(parents=True, exist_ok=True)
    for name, start, end in zip(("train", "valid", "test"), (0, *ends), ends, strict=False):
        (folder / f"{name}.mrg").write_text("\n".join(lines[start:end]) + "\n", encoding="utf-8")


def pcfg(trees: list[SyntaxTree], gold: list[SyntaxTree]) -> None:
    """Print the scores of a grammar for each order of Markovisation."""
    for h, v in ORDERS:
        started = time.monotonic()
        grammar = Grammar(trees, h=h, v=v)
        parsed, failed = [], 0
        for tree in gold:
            found = grammar.parse(tree.words)
            failed += found is None
            parsed.append(found or SyntaxTree("S", tuple(SyntaxTree("NN", (), word) for word in tree.words)))
        seconds = time.monotonic() - started
        print(
            f"PCFG h={h} v={v}, {len(grammar.symbols):,} symbols: {bracket_scores(gold, parsed)}; {failed} without a "
            f"tree; {seconds:.0f} s",
            flush=True,
        )


def main() -> None:
    """Do what the command line says."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arguments.add_subparsers(dest="command", required=True)
    split = commands.add_parser("split")
    split.add_argument("sample", type=Path)
    split.add_argument("folder", type=Path)
    for name in ("pcfg", "model"):
        command = commands.add_parser(name)
        command.add_argument("data")
        if name == "model":
            command.add_argument("model")
            command.add_argument("--beam", type=int, default=10)
        command.add_argument("--part", choices=("valid", "test"), default="valid")
    options = arguments.parse_args()
    if options.command == "split":
        split_sample(options.sample, options.folder)
        return
    corpus = load_treebank(options.data)
    gold = corpus.valid if options.part == "valid" else corpus.test
    if options.command == "pcfg":
        pcfg(corpus.train, gold)
        return
    parser = Parser(*open_parser(options.model))
    parsed = parser.parse([tree.words for tree in gold], beam=options.beam)
    print(f"{options.model}, beam {options.beam}, {options.part}: {bracket_scores(gold, parsed)}")


if __name__ == "__main__":
    main()
