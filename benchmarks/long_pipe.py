# ruff: noqa: E402  (the search path must be set before the packages are imported)
"""Many short lines through a pipe: is the order kept, and does the memory stay constant?

    python benchmarks/long_pipe.py [--lines N] [--workers N] [--output FILE]

A very small model learns for a moment to repeat lines of one to three words. Then `translate.py --beam 1` reads N lines
from a pipe and writes to another. The program compares every line that comes back with the same model's output for that
line alone. Meanwhile it repeatedly reads the memory of the process (with --workers: of the one that reads and writes)
from /proc (Linux). Exit status 1 if a line is missing or wrong, or if peak memory grows by more than 10% after the
first tenth.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

import argparse
import itertools
import random
import subprocess
import tempfile
import threading
import time
from typing import BinaryIO

import numpy as np
from threadpoolctl import threadpool_limits

import bpe
import numpy_transformer as nt
from benchmarks.machine import libraries, machine
from numpy_transformer.data.batching import padded
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.translation.translator import Translator

_VOCABULARY = "dog cat house tree road sun moon bird fish hand green old new red big runs sees has likes makes"
WORDS = _VOCABULARY.split()
SAMPLES = 20
ALLOWED_GROWTH = 1.10


def distinct_lines(count: int = 500) -> list[str]:
    """Lines of one to three words; some are blank."""
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, 3))) if i % 50 else "" for i in range(count)]


def make_run(folder: Path, lines: list[str]) -> Translator:
    """Train the model for some seconds and keep it as a run folder."""
    tokenizer = bpe.train(lines, vocabulary_size=320)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=32, d_ff=64, heads=2, dropout=0.0
    )
    model = nt.Transformer(config, seed=0)
    adam = Adam.for_parameters(model.parameters.flat)
    rng = np.random.default_rng(0)
    sources = [np.array([*tokenizer.encode(line), config.eos_id]) for line in lines if line]
    for _ in range(300):
        batch = [sources[i] for i in rng.choice(len(sources), 64)]
        source = padded(batch, config.pad_id)
        _, gradients = model.loss_and_gradients(source, np.insert(source, 0, config.bos_id, axis=1))
        adam.update(model.parameters.flat, gradients.flat, rate=0.005)
    model.save(folder / "checkpoints" / "best.safetensors")
    tokenizer.save(folder / "tokenizer.json")
    return Translator(model, tokenizer)


def feed(pipe: BinaryIO, lines: list[str], count: int) -> None:
    """Write `count` lines, repeating the same ones."""
    encoded = [f"{line}\n".encode() for line in lines]
    for line in itertools.islice(itertools.cycle(encoded), count):
        pipe.write(line)
    pipe.close()


def megabytes(process: int, field: str) -> float:
    """VmRSS (memory now) or VmHWM (the most so far) of a process."""
    for line in Path(f"/proc/{process}/status").read_text().split("\n"):
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Run once and print; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--output", type=Path, help="also write what is printed to this file")
    options = parser.parse_args()
    report: list[str] = []

    def say(text: str) -> None:
        report.append(text)
        print(text, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        lines = distinct_lines()
        with threadpool_limits(1, "blas"):  # the matrices are small
            translator = make_run(Path(folder), lines)
        expected = [f"{text}\n".encode() for text in translator.translate(lines, beam=1)]
        repeated = sum(line == text[:-1].decode() for line, text in zip(lines, expected, strict=True))
        say(f"{machine()}")
        say(f"{libraries()}")
        say(f"model: {len(translator.model.parameters.flat):,} parameters; it repeats {repeated} of {len(lines)} lines")
        command = ["translate.py", "--beam", "1", "--batch-tokens", "16384", "--workers", str(options.workers)]
        say(f"{options.lines:,} lines of at most 3 words through: python {' '.join(command)}")
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command, "--model", folder], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        threading.Thread(target=feed, args=(process.stdin, lines, options.lines), daemon=True).start()
        say(f"{'lines':>10} {'seconds':>8} {'lines/s':>8} {'memory MB':>10} {'peak MB':>8}")
        wrong, peaks = 0, []
        every = max(1, options.lines // SAMPLES)
        number = 0
        for number, line in enumerate(process.stdout, 1):
            wrong += line != expected[(number - 1) % len(lines)]
            if number % every == 0 and process.poll() is None:
                seconds = time.perf_counter() - started
                memory = megabytes(process.pid, "VmRSS")
                peaks.append(megabytes(process.pid, "VmHWM"))
                say(f"{number:10,} {seconds:8.1f} {number / seconds:8,.0f} {memory:10.1f} {peaks[-1]:8.1f}")
        status = process.wait()
    early, late = peaks[len(peaks) // 10], peaks[-1]
    say(f"{number:,} lines came back, {wrong} differ from their own translation; exit status {status}")
    say(f"peak memory: {early:.1f} MB after a tenth, {late:.1f} MB at the end")
    if options.output:
        options.output.write_text("\n".join(report) + "\n", encoding="utf-8")
    return int(wrong > 0 or number != options.lines or status != 0 or late > ALLOWED_GROWTH * early)


if __name__ == "__main__":
    sys.exit(main())
