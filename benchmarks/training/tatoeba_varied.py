"""Sentence pairs as people type them: what the shipped model learned from.

    python benchmarks/training/tatoeba_varied.py tatoeba/train.tsv.xz tatoeba-varied.tsv

Every pair is kept. Beside it, some are added with another source and the same target:

    10%  a small first letter               "where is he?"     Wo ist er?
     5%  no final full stop or exclamation  "He is here"       Er ist hier.
     6%  both, question marks too           "where is he"      Wo ist er?
     1%  in capitals                        "WHERE IS HE?"     Wo ist er?

and for every 16 pairs, a text of two or three pairs drawn at random, side by side. So the model answers those who type
carelessly, and knows what a full stop in the middle means. The same input and seed give the same output, byte for byte.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from numpy_transformer.data.files import read_tsv
from numpy_transformer.program import run_program
from numpy_transformer.storage.text_files import write_text

SEED = 20261129

Pair = tuple[str, str]


def varied(pairs: list[Pair], *, seed: int = SEED) -> list[Pair]:
    """The pairs and what is added to them, in random order; pairs with an empty side are left out."""
    draw = random.Random(seed)
    found = list(pairs)
    for source, target in pairs:
        number = draw.random()
        small = source[:1].lower() + source[1:]
        if number < 0.10:
            found.append((small, target))
        elif number < 0.15:
            found.append((source.rstrip(".!"), target))
        elif number < 0.21:
            found.append((small.rstrip(".!?"), target))
        elif number < 0.22:
            found.append((source.upper(), target))
    for _ in range(len(pairs) // 16):
        some = draw.sample(pairs, draw.choice((2, 2, 2, 3)))
        found.append((" ".join(source for source, _ in some), " ".join(target for _, target in some)))
    draw.shuffle(found)
    return [(source, target) for source, target in found if source and target]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN.tsv", help="source TAB target, plain, .gz or .xz")
    parser.add_argument("output", metavar="OUT.tsv", type=Path)
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="%(default)s")
    options = parser.parse_args()
    text = read_tsv(options.input)
    pairs = list(zip(text.sources, text.targets, strict=True))
    made = varied(pairs, seed=options.seed)
    write_text(options.output, "".join(f"{source}\t{target}\n" for source, target in made))
    print(f"{options.output}: {len(made):,} pairs from {len(pairs):,}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_program(main))
