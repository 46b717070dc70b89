"""What a shortlist saves and what it costs: the test sentences of a run, translated with and without it.

    python -m numpy_transformer.shortlist RUN      (once, learns it)
    python benchmarks/shortlist.py RUN

Beam 4, one process with one BLAS thread, as each worker of translate.py. The two take turns, round by round; a figure
is the median of the rounds.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import libraries, machine

from numpy_transformer.metrics import bleu
from numpy_transformer.run_folder import RunFolder
from numpy_transformer.shortlist import corpus_of
from numpy_transformer.translator import Translator

BATCHES = (1, 16, 64)  # sentences at once
MOST = 256  # sentences that are timed; one by one, fewer
FEWEST = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()

    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        host = machine()
        print(f"{host['cpu']}, load {host['load']}; {host['system']}; Python {host['python']}; {libraries()['numpy']}")
        recorded = RunFolder(options.run).read_options()
        test = corpus_of(recorded).test
        without, listed = Translator.load(options.run), Translator.load(options.run)
        listed.load_shortlist(options.run)
        size = without.model.config.vocabulary_size
        print(f"{recorded.data}, {len(test):,} test sentences, {recorded.preset}, vocabulary {size:,}")
        rows = [compare(without, listed, test.sources, batch, options.rounds) for batch in BATCHES]
        expected, found = (translator.translate(test.sources) for translator in (without, listed))
        same = statistics.mean(a == b for a, b in zip(expected, found, strict=True))
        scores = [bleu(texts, test.targets).score for texts in (expected, found)]
        print(f"BLEU {scores[0]:.2f} without, {scores[1]:.2f} with it; {same:.1%} of the translations are the same")
    if options.json:
        result = {"machine": host, "vocabulary": size, "rows": rows, "bleu": scores, "same": same}
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def compare(without: Translator, listed: Translator, sources: Sequence[str], batch: int, rounds: int) -> dict[str, Any]:
    """Seconds of both, for some sentences in batches."""
    sources = sources[: FEWEST if batch == 1 else MOST]
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(rounds):
        for name, translator in (("without", without), ("with", listed)):
            start = time.perf_counter()
            for first in range(0, len(sources), batch):
                translator.translate(sources[first : first + batch])
            seconds[name].append(time.perf_counter() - start)
    slow, fast = (len(sources) / statistics.median(seconds[name]) for name in ("without", "with"))
    print(f"batch {batch:3}: {slow:7.1f} sentences/s without, {fast:7.1f} with it, {fast / slow:.2f} times as fast")
    return {"batch": batch, "sentences": len(sources), "seconds": seconds}


if __name__ == "__main__":
    main()
