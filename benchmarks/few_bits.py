"""What fewer bits cost a trained translator: python benchmarks/few_bits.py RUN [--data-dir DIR] [--test]

The model of the run folder is stored as `export --to int8` (or `ternary`) stores it, and read again. Printed are, for
each layer, its size before and after and how far its weights have moved,

    |w_stored - w| / |w|        with Euclidean norms over all numbers of the layer,

and BLEU and chrF of the run's validation text before and after; with --test, of its test text too. --data-dir is that
of train.py. For a ternary run, "before" are the rounded weights, with which the run was trained and evaluated.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from machine import cpu_model

from numpy_transformer.commands.export_model import export
from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.files import ParallelText
from numpy_transformer.errors import InputError
from numpy_transformer.program import run_program
from numpy_transformer.storage.int8_rows import SCALE
from numpy_transformer.storage.run_files import RunFiles
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.storage.trits import SHAPE
from numpy_transformer.training.metrics import bleu, chrf, exact_match
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.texts import corpus_of
from numpy_transformer.translation.translator import Translator


class LayerCost(NamedTuple):
    """A layer before and after it was stored."""

    layer: str
    weights: int
    before: int  # bytes
    after: int
    moved: float  # relative


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=Path)
    parser.add_argument("--data-dir", metavar="DIR", help="where train.py's --data-dir was")
    parser.add_argument("--test", action="store_true", help="the test text too; it must not choose anything")
    arguments = parser.parse_args()
    original = Translator.load(arguments.run)
    with tempfile.TemporaryDirectory() as folder:
        export(original, "int8", Path(folder, "stored"), run=arguments.run)
        file = RunFiles(Path(folder, "stored")).model_file
        stored, size = Translator.load(file), file.stat().st_size
        costs = list(layer_costs(original, stored, file))
    for line in (*table(costs), file_line(original, size), ""):
        print(line)
    corpus = corpus_of_run(arguments.run, arguments.data_dir)
    for name, text in (("validation", corpus.valid), ("test", corpus.test))[: 1 + arguments.test]:
        if text.sources:
            print("\n".join(score_lines(name, text, original, stored)), flush=True)
    print(f"beam 4, length penalty 0.6; {cpu_model()}, NumPy {np.__version__}")


def corpus_of_run(run: Path, data_dir: str | None) -> Corpus:
    """The texts that the run was trained with."""
    options = RunFolder(run).read_options()
    corpus = corpus_of(dataclasses.replace(options, data_dir=data_dir or options.data_dir))
    if not isinstance(corpus, Corpus):
        raise InputError(f"{run}: is no translator's run: name one")
    return corpus


def layer_costs(original: Translator, stored: Translator, file: Path) -> Iterator[LayerCost]:
    """Embedding, encoder.0 and so on, in the order of the parameters; at last all of them together."""
    tensors, _ = load_tensors(file)
    after = dict(stored.model.parameters.named())
    layers: dict[str, list[tuple[int, int, float, float]]] = {}
    for name, before in original.model.parameters.named():
        kept = sum(tensors[name + end].nbytes for end in ("", SCALE, SHAPE) if name + end in tensors)
        difference, whole = (float(np.square(x, dtype=np.float64).sum()) for x in (after[name] - before, before))
        entry = before.size, kept, difference, whole
        for layer in (".".join(part for part in name.split(".")[:2] if part != "weight"), "all"):
            layers.setdefault(layer, []).append(entry)
    for layer in (*(name for name in layers if name != "all"), "all"):
        weights, kept, difference, whole = (sum(column) for column in zip(*layers[layer], strict=True))
        yield LayerCost(layer, int(weights), 4 * int(weights), int(kept), (difference / whole) ** 0.5)


def table(costs: list[LayerCost]) -> Iterator[str]:
    yield f"{'layer':12} {'weights':>10} {'float32':>10} {'stored':>10} {'bits each':>10} {'moved':>8}"
    for cost in costs:
        yield (
            f"{cost.layer:12} {cost.weights:10,} {cost.before / 1e6:7.2f} MB {cost.after / 1e6:7.2f} MB "
            f"{8 * cost.after / cost.weights:10.2f} {cost.moved:8.2%}"
        )


def file_line(translator: Translator, size: int) -> str:
    full = 4 * translator.model.parameters.flat.size
    return f"model.safetensors: {size / 1e6:.2f} MB, {size / full:.3f} of the {full / 1e6:.2f} MB of float32"


def score_lines(name: str, text: ParallelText, original: Translator, stored: Translator) -> Iterator[str]:
    found = []
    for what, translator in (("before", original), ("after", stored)):
        hypotheses = translator.translate(text.sources)
        found.append(bleu(hypotheses, text.targets))
        more, exact = chrf(hypotheses, text.targets), exact_match(hypotheses, text.targets)
        yield (
            f"{name}, {len(text.sources):,} sentences, {what:6}: BLEU {found[-1].score:.2f}, "
            f"chrF {more.score:.2f}, exact {exact:.1%}"
        )
    yield f"{name}: {found[1].score - found[0].score:+.2f} BLEU ({found[1].signature})"


if __name__ == "__main__":
    sys.exit(run_program(main))
