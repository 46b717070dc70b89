"""Real sentences through a trained model: ours, ours with a shortlist, CTranslate2 with the same weights.

    python -m numpy_transformer.shortlist RUN      (once, learns it)
    python benchmarks/shortlist.py RUN

Each side translates the test sentences of the run, from text to text, with beam 4 and one thread. Every side gets the
same batches, sorted by length; unlike in decoding.py, the sentences of a batch end at different times. The sides take
turns, round by round; a figure is the median of the rounds. BLEU is over all test sentences.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import libraries, machine

from numpy_transformer.training.metrics import bleu
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.texts import corpus_of
from numpy_transformer.translation.translator import Translator

BATCHES = (1, 16, 64)  # sentences at once
MOST = 512  # sentences that are timed; one by one, fewer
FEWEST = 64

Side = Callable[[Sequence[str]], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()

    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), tempfile.TemporaryDirectory() as folder:
        host = machine()
        print(f"{host['cpu']}, load {host['load']}; {host['system']}; Python {host['python']}; {libraries()['numpy']}")
        recorded = RunFolder(options.run).read_options()
        test = corpus_of(recorded).test
        ours, listed = (Translator.load(options.run, shortlist=shortlist) for shortlist in (False, True))
        size = ours.model.config.vocabulary_size
        print(f"{recorded.data}, {len(test):,} test sentences, {recorded.preset}, vocabulary {size:,}")
        sides: dict[str, Side] = {"ours": ours.translate, "ours, shortlist": listed.translate}
        for compute_type in ("float32", "int8"):
            sides[f"CTranslate2 {compute_type}"] = ctranslate2_side(ours, Path(folder), compute_type)
        rows = [measure(sides, test.sources, batch, options.rounds) for batch in BATCHES]
        found = {name: translate(test.sources) for name, translate in sides.items()}
        scores = {}
        for name, texts in found.items():
            scores[name] = bleu(texts, test.targets).score
            same = statistics.mean(one == other for one, other in zip(texts, found["ours"], strict=True))
            print(f"{name:20} BLEU {scores[name]:.2f}, {same:.1%} of the translations as ours without a shortlist")
    if options.json:
        result = {"machine": host, "vocabulary": size, "rows": rows, "bleu": scores}
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measure(sides: dict[str, Side], sources: Sequence[str], batch: int, rounds: int) -> dict[str, Any]:
    """Seconds of each side, for some sentences in batches."""
    sources = sorted(sources[: FEWEST if batch == 1 else MOST], key=len)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            start = time.perf_counter()
            for first in range(0, len(sources), batch):
                sides[name](sources[first : first + batch])
            seconds[name].append(time.perf_counter() - start)
    print(f"batch {batch}")
    rates = {name: len(sources) / statistics.median(times) for name, times in seconds.items()}
    for name, rate in rates.items():
        others = ", ".join(
            f"{rate / rates[other]:.2f} times {other}" for other in rates if other not in ("ours, shortlist", name)
        )
        print(f"    {name:20} {rate:7.1f} sentences/s" + f"   {others}" * name.startswith("ours"))
    return {"batch": batch, "sentences": len(sources), "seconds": seconds}


def ctranslate2_side(translator: Translator, folder: Path, compute_type: str) -> Side:
    """The same model and tokenizer."""
    import ctranslate2

    import bpe
    from numpy_transformer.formats.ctranslate2 import token_strings, write_ctranslate2

    tokenizer = translator.tokenizer
    assert isinstance(tokenizer, bpe.Tokenizer)
    path = folder / compute_type
    path.mkdir()
    write_ctranslate2(translator.model, tokenizer, path)
    names = token_strings(tokenizer)
    ids = {name: number for number, name in enumerate(names)}
    theirs = ctranslate2.Translator(str(path), compute_type=compute_type, inter_threads=1, intra_threads=1)

    def translate(texts: Sequence[str]) -> list[str]:
        sources = [[names[token] for token in tokens] for tokens in tokenizer.encode_batch(texts)]
        found = theirs.translate_batch(sources, beam_size=4, length_penalty=0.6, max_batch_size=max(BATCHES))
        return [tokenizer.decode([ids[name] for name in result.hypotheses[0]]) for result in found]

    return translate


if __name__ == "__main__":
    main()
