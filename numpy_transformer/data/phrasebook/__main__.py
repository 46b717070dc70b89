"""Print the phrasebook: python -m numpy_transformer.data.phrasebook [--count N] [--seed S] [--tsv].

Prints every construction with its explanation and N samples, or, with --tsv, N pairs as `English TAB German`.
"""

import sys
import textwrap

from bpe.arguments import CommandParser
from numpy_transformer.data.phrasebook import CONSTRUCTIONS, Construction, count_lower_bound, generate
from numpy_transformer.program import add_version, run_program


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = CommandParser(
        prog="python -m numpy_transformer.data.phrasebook",
        description="The constructions of the phrasebook grammar, explained, with samples.",
    )
    add_version(parser)
    parser.add_argument("--count", type=int, metavar="N", help="samples of each construction (3), or pairs (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed gives other samples (0)")
    parser.add_argument("--tsv", action="store_true", help="print pairs of all constructions, tab-separated")
    options = parser.parse_args(arguments)
    if options.tsv:
        for pair in generate(1000 if options.count is None else options.count, options.seed):
            print(f"{pair.source}\t{pair.target}")
        return 0
    for construction in CONSTRUCTIONS:
        explain(construction, 3 if options.count is None else options.count, options.seed)
    print(f"{len(CONSTRUCTIONS)} constructions, more than {count_lower_bound():,} distinct pairs")
    return 0


def explain(construction: Construction, count: int, seed: int) -> None:
    """Print a construction: name, what it teaches, its example and `count` samples."""
    print(construction.name)
    print(textwrap.fill(construction.explanation, 100, initial_indent="    ", subsequent_indent="    "))
    for source, target in (construction.example, *generate(count, seed, [construction])):
        print(f"        {source:<60} {target}")
    print()


if __name__ == "__main__":
    sys.exit(run_program(main))
