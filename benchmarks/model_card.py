"""Measure the model that comes with the package, for its card: python benchmarks/model_card.py DATA [--run RUN]

DATA holds tatoeba/valid.tsv.xz and multi30k/test_2016_flickr.en.gz, .de.gz. The measured part of docs/models.md,
between its two comments, is written anew: size, BLEU and chrF with their signatures, speed, and 30 translations that
nobody chose. With --run, the run that the model was made of (its weights in float32) is measured beside it, and its
learning curves and log are kept in docs/ and benchmarks/results/.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import cpu_model
from ship_model import load
from threadpoolctl import threadpool_limits

from numpy_transformer.data.files import ParallelText, read_parallel, read_tsv
from numpy_transformer.errors import InputError
from numpy_transformer.program import run_program
from numpy_transformer.storage.shipped import DEFAULT, shipped_model
from numpy_transformer.storage.text_files import write_text
from numpy_transformer.training.metrics import bleu, chrf
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.translation.translator import Translator

ROOT = Path(__file__).resolve().parents[1]
CARD = ROOT / "docs" / "models.md"
CURVES = ROOT / "docs" / "models_curves.png"
LOG = ROOT / "benchmarks" / "results" / "tatoeba-small.jsonl"
BEGIN, END = "<!-- measured: benchmarks/model_card.py writes this part -->", "<!-- end of the measured part -->"
UNCHOSEN = 30
TIMED_ALONE = 40  # sentences
STARTS = 5
STEPS_KEPT = 50  # of the log, one step record in so many
FIRST_WORDS = [
    "hello",
    "Hello!",
    "how are you",
    "Where is the train station?",
    "I would like a cup of coffee, please.",
    "My sister bought a red car yesterday.",
    "It's raining, so we are staying at home.",
    "Can you help me?",
    "My name is Anna. I live in a small town. My brother is older than me. He works in a bank. On Sundays we go "
    "swimming together.",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA", type=Path)
    parser.add_argument("--run", metavar="RUN", type=Path, help="the run, or a checkpoint of it, in float32")
    parser.add_argument("--average", type=int, metavar="K", help="the mean of the run's last K checkpoints")
    options = parser.parse_args()
    folder = shipped_model(DEFAULT)
    if folder is None:
        raise InputError("there is no shipped model yet: make it with benchmarks/ship_model.py")
    before, _, rest = CARD.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise InputError(f"{CARD}: its measured part is not marked: restore the two comments")
    tests = {
        "Tatoeba, validation": read_tsv(options.data / "tatoeba" / "valid.tsv.xz"),
        "Multi30k, test_2016_flickr": read_parallel(
            *(options.data / "multi30k" / f"test_2016_flickr.{language}.gz" for language in ("en", "de"))
        ),
    }
    translators = {"8 bits, as shipped": Translator.load(DEFAULT)}
    if options.run is not None:
        run = load(options.run, options.average)
        translators["float32"] = Translator(run.model, run.tokenizer, sentences=True)  # as the shipped one splits texts
        keep_log(options.run)
    with threadpool_limits(limits=1, user_api="blas"):
        lines = [*size(folder, translators), *quality(tests, translators), *speed(tests, translators)]
        lines += [*answers(translators), *unchosen(tests, translators)]
    write_text(CARD, before + BEGIN + "\n\n" + "\n".join(lines) + "\n" + END + after)
    print(f"{CARD}: measured", file=sys.stderr)


def size(folder: Path, translators: dict[str, Translator]) -> Iterator[str]:
    """How large it is."""
    model = next(iter(translators.values())).model
    config, flat = model.config, model.parameters.flat
    files = sum(path.stat().st_size for path in folder.iterdir())
    weights = (folder / "model.safetensors").stat().st_size
    yield (
        f"{flat.size:,} parameters: {config.encoder_layers} + {config.decoder_layers} layers of width "
        f"{config.d_model}, inner width {config.d_ff}, {config.heads} heads, a joint vocabulary of "
        f"{config.vocabulary_size:,} tokens. The weights take {weights / 1e6:.2f} MB ({4 * flat.size / 1e6:.2f} MB in "
        f"float32), all files {files / 1e6:.2f} MB."
    )
    yield ""


def quality(tests: dict[str, ParallelText], translators: dict[str, Translator]) -> Iterator[str]:
    """BLEU and chrF of each model on each text."""
    yield "| text | sentences | weights | BLEU | brevity penalty | chrF |"
    yield "|---|---|---|---|---|---|"
    signatures: set[str] = set()
    for name, text in tests.items():
        for weights, translator in translators.items():
            hypotheses = translator.translate(text.sources)
            words, letters = bleu(hypotheses, text.targets), chrf(hypotheses, text.targets)
            signatures |= {f"BLEU `{words.signature}`", f"chrF `{letters.signature}`"}
            yield (
                f"| {name} | {len(text):,} | {weights} | {words.score:.2f} | {words.brevity_penalty:.3f} "
                f"| {letters.score:.2f} |"
            )
            print(f"{name}, {weights}: {words}, {letters}", file=sys.stderr)
    yield ""
    yield "Beam 4, length penalty 0.6. " + "; ".join(sorted(signatures)) + "."
    yield ""


def speed(tests: dict[str, ParallelText], translators: dict[str, Translator]) -> Iterator[str]:
    """Alone, in batches, and from the command line."""
    translator, text = next(iter(translators.values())), next(iter(tests.values()))
    alone = []
    for source in text.sources[:: len(text) // TIMED_ALONE]:
        began = time.perf_counter()
        translator.translate([source])
        alone.append(time.perf_counter() - began)
    began = time.perf_counter()
    translator.translate(text.sources)
    together = len(text) / (time.perf_counter() - began)
    starts = []
    for _ in range(STARTS):
        began = time.perf_counter()
        command = [sys.executable, str(ROOT / "translate.py"), "--model", DEFAULT, "Hello"]
        subprocess.run(command, check=True, capture_output=True)
        starts.append(time.perf_counter() - began)
    yield (
        f"One sentence takes {1000 * statistics.median(alone):.0f} ms (median), a file {together:.0f} sentences a "
        f'second, and `python translate.py "Hello"` {statistics.median(starts):.2f} s from start to end: one thread of '
        f"{cpu_model()}, beam 4."
    )
    yield ""


def answers(translators: dict[str, Translator]) -> Iterator[str]:
    """What people type first."""
    yield "What people type first, and a paragraph:"
    yield ""
    yield from table(FIRST_WORDS, next(iter(translators.values())).translate(FIRST_WORDS))


def unchosen(tests: dict[str, ParallelText], translators: dict[str, Translator]) -> Iterator[str]:
    """Sentences at equal distances in the validation text, which is sorted by length."""
    translator, text = next(iter(translators.values())), next(iter(tests.values()))
    chosen = slice(0, UNCHOSEN * (len(text) // UNCHOSEN), len(text) // UNCHOSEN)
    sources, references = text.sources[chosen], text.targets[chosen]
    yield (
        f"{UNCHOSEN} sentences of the validation text, every {len(text) // UNCHOSEN}th from the first: good and bad as "
        "they come."
    )
    yield ""
    yield from table(sources, translator.translate(sources), references)


def table(sources: list[str], translations: list[str], references: list[str] | None = None) -> Iterator[str]:
    """A row for each sentence."""
    heads = ["English", "the model"] + ([] if references is None else ["a person"])
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in zip(sources, translations, *([] if references is None else [references]), strict=True):
        yield "| " + " | ".join(text.replace("|", "\\|") for text in row) + " |"
    yield ""


def keep_log(run: Path) -> None:
    """The learning curves, and every evaluation of the log with some of its steps."""
    folder = RunFolder(run if run.is_dir() else run.absolute().parent.parent)
    if folder.curves_file.is_file():
        shutil.copyfile(folder.curves_file, CURVES)
    records = folder.read_log()
    kept = [record for record in records if record["kind"] != "step" or record["step"] % (10 * STEPS_KEPT) == 0]
    write_text(LOG, "".join(json.dumps(record) + "\n" for record in kept))


if __name__ == "__main__":
    sys.exit(run_program(main))
