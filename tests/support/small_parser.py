"""Parsers that take a second: a treebank of a few words, models of a few numbers."""

from pathlib import Path
from typing import Any

from numpy_transformer import Transformer, TransformerConfig
from numpy_transformer.data.tree_tokens import tokenizer_for_trees
from numpy_transformer.data.trees import SyntaxTree, parse_tree
from numpy_transformer.tasks.parsing import Parser

SUBJECTS = ("(NP (PRP I))", "(NP (PRP you))", "(NP (DT the) (NN dog))", "(NP (DT a) (NN catfish))")
VERBS = ("(VP (VBP sleep))", "(VP (VBP see) {})", "(VP (MD will) (VP (VB sing)))")


def trees() -> list[SyntaxTree]:
    """24 trees of three to seven words."""
    return [
        parse_tree(f"(S {subject} {verb.format(other)} (. .))")
        for subject in SUBJECTS
        for verb in VERBS
        for other in (SUBJECTS if "{}" in verb else SUBJECTS[:1])
    ]


def write_treebank(folder: Path) -> Path:
    """A folder with train, valid and test."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", trees()[:18]), ("valid", trees()[18:21]), ("test", trees()[21:])):
        (folder / f"{name}.mrg").write_text("\n".join(map(str, part)), encoding="utf-8")
    return folder


def small_parser(seed: int = 0, **changes: Any) -> Parser:
    """A random model of 8 numbers for a position."""
    tokenizer = tokenizer_for_trees(trees(), 300)
    config = TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=8, d_ff=12, heads=2, **changes
    )
    model = Transformer(config, seed=seed, dtype="float64")
    model.parameters.flat[...] *= 3  # surer of itself than a fresh one
    return Parser(model, tokenizer)


def write_parser(path: Path) -> Path:
    """A run folder with a random parser."""
    parser = small_parser()
    parser.model.save(path / "checkpoints" / "best.safetensors")
    tokenizer_for_trees(trees(), 300).save(path / "tokenizer.json")
    (path / "config.json").write_text('{"options": {"model": "encoder-decoder", "task": "parse"}}', encoding="utf-8")
    return path
