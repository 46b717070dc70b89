"""Beam search and greedy search: tokens per second of ours, CTranslate2 and Hugging Face.

    python benchmarks/decoding.py --preset tiny
    python benchmarks/decoding.py --preset base --side ours --side ct2 --side ct2-int8 --json result.json

The weights are random, so every side has a fixed length: each source has --source tokens, each translation --length
tokens, of 8,000 possible ones. CTranslate2 gets the same weights through our exporter. Hugging Face runs a
MarianMTModel of the same shape with its own random weights; with a fixed length the work is equal. "same" is the share
of sentences for which a side's tokens equal ours: with random weights scores are close together, and different
rounding can change their order.

Each side runs in its own process, pinned to the same --threads processors, and waits while another is measured. The
sides take turns, case by case and round by round. A figure is the median of the rounds; for one sentence the latencies
of all repetitions count. Ours searches a batch in as many shards as there are threads, each in a worker process (as
translate.py --workers does) with single-threaded BLAS. It searches one sentence with --threads BLAS threads if the
model is wide, else with one. Peak memory is that of the process and its workers, including libraries and weights; pages
that workers share count once for each. "Cold" is `python translate.py --model RUN TEXT`, from the start of the process
to its end. "Without caches" runs the whole model, including the encoder, again for every token.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import available_cpus, libraries, machine, peak_memory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # before this folder, whose bpe.py would hide the package of that name
SIDES = {
    "ours": "numpy_transformer",
    "ct2": "CTranslate2 float32",
    "ct2-int8": "CTranslate2 int8",
    "hf": "Hugging Face",
}
VOCABULARY = 8000
WARM_UP_BATCH = 32  # at most
UNCACHED_LENGTH = 50  # tokens of the comparison with decoding without caches
CACHE_ROUNDS = 3
WIDE_MODEL = 512  # from this width on, a second BLAS thread helps a single sentence

Search = Callable[[np.ndarray, int], list[list[int]]]  # source (B, S), beam -> tokens of each sentence's best


def main() -> None:
    options = parse_options()
    if options.child:
        serve(options)
        return
    host = machine()
    print(f"{host['cpu']}, {host['cpus']} CPUs, load {host['load']}; {host['system']}; Python {host['python']}")
    print(
        f"preset {options.preset}, vocabulary {VOCABULARY}, {options.source} source tokens, {options.length} target "
        f"tokens, {options.threads} threads, {options.rounds} rounds"
    )
    with tempfile.TemporaryDirectory() as folder:
        make_models(options.preset, Path(folder))
        sides = {side: Side(side, options, Path(folder)) for side in options.side or SIDES}
        for name, side in sides.items():
            print(f"{SIDES[name]}: {side.start['libraries']}")
        rows = [
            measure(sides, beam=beam, batch=batch, rounds=options.rounds)
            for beam in options.beam or (1, 4)
            for batch in options.batch or (1, 32, 128)
        ]
        print_table(rows, list(sides))
        memory = {name: side.ask({"memory": True})["memory"] for name, side in sides.items()}
        print("peak memory: " + ", ".join(f"{SIDES[name]} {size / 2**20:.0f} MiB" for name, size in memory.items()))
        caches = sides["ours"].ask({"caches": True}) if "ours" in sides else None
        if caches is not None:
            print(
                f"one sentence of {UNCACHED_LENGTH} tokens, greedy: without caches {caches['uncached']:.3f} s, "
                f"with caches {caches['cached']:.3f} s, {caches['uncached'] / caches['cached']:.1f} times as fast"
            )
        cold = cold_starts(Path(folder), options)
        print(f"cold start of translate.py, {options.preset}: median {statistics.median(cold):.3f} s of {len(cold)}")
        starts = {name: side.start for name, side in sides.items()}
        for side in sides.values():
            side.close()
    if options.json:
        result = {"machine": host, "options": vars(options), "sides": starts, "rows": rows}
        result |= {"caches": caches, "peak_memory": memory, "cold_start_seconds": cold}
        Path(options.json).write_text(json.dumps(result, indent=1, default=str) + "\n", encoding="utf-8")


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny", choices=("tiny", "small", "base", "big"))
    parser.add_argument("--side", action="append", choices=tuple(SIDES), help="may be repeated (all)")
    parser.add_argument("--beam", type=int, action="append", help="may be repeated (1 and 4)")
    parser.add_argument("--batch", type=int, action="append", help="may be repeated (1, 32 and 128)")
    parser.add_argument("--source", type=int, default=18)
    parser.add_argument("--length", type=int, default=18)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--child", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    return parser.parse_args()


# --- The parent: asks each side in turn ---


class Side:
    """A process that searches on request."""

    def __init__(self, side: str, options: argparse.Namespace, folder: Path) -> None:
        threads = str(options.threads)
        environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
        environment |= {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        arguments = [f"--{name}={getattr(options, name)}" for name in ("preset", "source", "length", "threads")]
        self._process = subprocess.Popen(
            [sys.executable, __file__, *arguments, "--child", side, str(folder)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.start = self._answer()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Its answer."""
        assert self._process.stdin is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("a side ended with an error, see above")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def measure(sides: dict[str, Side], *, beam: int, batch: int, rounds: int) -> dict[str, Any]:
    """One row of the table. Single sentences are repeated, for percentiles of the latency."""
    question = {"beam": beam, "batch": batch, "repeat": 7 if batch == 1 else 1}
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for side in sides.values():
        side.ask({"beam": beam, "batch": min(batch, WARM_UP_BATCH), "repeat": 1})
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(reversed(sides))
        for name in order:
            answers[name].append(sides[name].ask(question))
    row: dict[str, Any] = {"beam": beam, "batch": batch, "sides": {}}
    reference = answers["ours"][0]["tokens"] if "ours" in answers else None
    for name, found in answers.items():
        seconds = [time for answer in found for time in answer["seconds"]]
        tokens = found[0]["tokens"]
        row["sides"][name] = {
            "seconds": seconds,
            "tokens_per_second": sum(map(len, tokens)) / statistics.median(seconds),
            "latency_percentiles": np.percentile(seconds, [50, 90, 99]).tolist() if batch == 1 else None,
            "same": None
            if reference is None
            else statistics.mean(a == b for a, b in zip(tokens, reference, strict=True)),
        }
    return row


def print_table(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Tokens per second; ours over each peer; for one sentence milliseconds at the 50th, 90th and 99th percentile."""
    for row in rows:
        print(f"beam {row['beam']}, batch {row['batch']}")
        ours = row["sides"].get("ours")
        for name in names:
            side = row["sides"][name]
            line = f"    {SIDES[name]:20} {side['tokens_per_second']:8.0f} tokens/s"
            if ours is not None and name != "ours":
                ratio = ours["tokens_per_second"] / side["tokens_per_second"]
                line += f"   ours is {ratio:.2f} times as fast"
                if name != "hf":
                    line += f", same tokens {side['same']:.0%}"
            if side["latency_percentiles"]:
                line += "   ms " + " / ".join(f"{1000 * second:.1f}" for second in side["latency_percentiles"])
            print(line)


def cold_starts(folder: Path, options: argparse.Namespace) -> list[float]:
    """Seconds of whole processes that translate one word, without the first, which fills the disk's cache."""
    command = [sys.executable, str(ROOT / "translate.py"), "--model", str(folder), "Hello", "--max-length", "18"]
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    seconds = []
    for _ in range(1 + 5):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment | {"PYTHONPATH": str(ROOT)})
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def make_models(preset: str, folder: Path) -> None:
    """Random weights as a run folder and as CTranslate2's model."""
    import bpe
    import numpy_transformer as nt
    from numpy_transformer.formats.ctranslate2 import write_ctranslate2

    pairs = [(bytes([one]), bytes([other])) for one in range(256) for other in range(256)]
    tokenizer = bpe.Tokenizer(pairs[: VOCABULARY - 256 - 3])
    model = nt.Transformer(nt.TransformerConfig.preset(preset, vocabulary_size=VOCABULARY), seed=0)
    (folder / "checkpoints").mkdir()
    model.save(folder / "checkpoints" / "best.safetensors")
    tokenizer.save(folder / "tokenizer.json")
    (folder / "ctranslate2").mkdir()
    write_ctranslate2(model, tokenizer, folder / "ctranslate2")


# --- The children: one side each ---


def serve(options: argparse.Namespace) -> None:
    """Answer questions, one JSON object per line, until there are no more."""
    side, folder = options.child[0], Path(options.child[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, available_cpus()[: options.threads])
    open_side = {"ours": ours, "ct2": ctranslate2_float32, "ct2-int8": ctranslate2_int8, "hf": hugging_face}[side]
    search, versions = open_side(folder, options)
    print(json.dumps({"libraries": versions}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if "memory" in question:
            workers = options.threads * WORKER.get("memory", 0)
            print(json.dumps({"memory": (peak_memory() or 0) + workers}), flush=True)
            continue
        if "caches" in question:
            print(json.dumps(caches(folder, options)), flush=True)
            continue
        source = np.random.default_rng(question["batch"]).integers(3, VOCABULARY, (question["batch"], options.source))
        source[:, -1] = 2
        seconds = []
        for _ in range(question["repeat"]):
            start = time.perf_counter()
            tokens = search(source, question["beam"])
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"seconds": seconds, "tokens": tokens}), flush=True)


def ours(folder: Path, options: argparse.Namespace) -> tuple[Search, dict[str, str]]:
    """Beam search, or greedy search for a beam of 1, over one shard of the batch per worker process."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from threadpoolctl import threadpool_limits

    import numpy_transformer as nt
    from numpy_transformer.decoding.packed import PackedModel

    model = PackedModel(nt.Transformer.load(folder / "checkpoints" / "best.safetensors"))
    versions = libraries()
    blas_threads = options.threads if model.config.d_model >= WIDE_MODEL else 1
    WORKER.update(model=model, length=options.length)
    with threadpool_limits(1, user_api="blas"):
        executor = ProcessPoolExecutor(options.threads, mp_context=multiprocessing.get_context("fork"))
        WORKER["memory"] = executor.submit(peak_memory).result() or 0  # starts the workers

    def search(source: np.ndarray, beam: int) -> list[list[int]]:
        if len(source) == 1:
            with threadpool_limits(blas_threads, user_api="blas"):
                return search_shard(source, beam)
        shards = np.array_split(source, options.threads)
        found = list(executor.map(search_shard, shards, [beam] * len(shards)))
        WORKER["memory"] = max(WORKER["memory"], *executor.map(_peak_memory, range(options.threads)))
        return [ids for part in found for ids in part]

    return search, versions


WORKER: dict[str, Any] = {}  # what the worker processes of our side inherit


def _peak_memory(_: int) -> int:
    return peak_memory() or 0


def search_shard(source: np.ndarray, beam: int) -> list[list[int]]:
    """Our search of some sentences, in this process."""
    from numpy_transformer.decoding import beam_search, greedy_search

    limits = np.full(len(source), WORKER["length"])
    if beam == 1:
        found = greedy_search(WORKER["model"], source, limits=limits)
    else:
        found = beam_search(WORKER["model"], source, limits=limits, beam=beam, alpha=0.6)
    return [best.ids for best, *_ in found]


def caches(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of greedy search with caches and of the same tokens by running the whole model again for each."""
    import numpy_transformer as nt
    from numpy_transformer.decoding import greedy_search
    from numpy_transformer.decoding.packed import PackedModel

    model = nt.Transformer.load(folder / "checkpoints" / "best.safetensors")
    packed = PackedModel(model)
    source = np.random.default_rng(0).integers(3, VOCABULARY, (1, options.source))
    source[:, -1] = 2
    limits = np.array([UNCACHED_LENGTH])
    [[expected]] = greedy_search(packed, source, limits=limits)
    cached, uncached = [], []
    for _ in range(CACHE_ROUNDS):
        start = time.perf_counter()
        greedy_search(packed, source, limits=limits)
        cached.append(time.perf_counter() - start)
        ids = [1]
        start = time.perf_counter()
        for _ in expected.ids:
            logits = model.logits(source, np.array([ids]))[0, -1]
            ids.append(2 + int(logits[2:].argmax()))
        uncached.append(time.perf_counter() - start)
        assert ids[1:] == expected.ids, "caches must not change the translation"
    return {"cached": statistics.median(cached), "uncached": statistics.median(uncached)}


def ctranslate2_float32(folder: Path, options: argparse.Namespace) -> tuple[Search, dict[str, str]]:
    """The same weights."""
    return _ctranslate2(folder, options, "float32")


def ctranslate2_int8(folder: Path, options: argparse.Namespace) -> tuple[Search, dict[str, str]]:
    """The same weights, rounded to 8 bits."""
    return _ctranslate2(folder, options, "int8")


def _ctranslate2(folder: Path, options: argparse.Namespace, compute_type: str) -> tuple[Search, dict[str, str]]:
    import ctranslate2

    import bpe
    from numpy_transformer.formats.ctranslate2 import token_strings

    names = token_strings(bpe.Tokenizer.load(folder / "tokenizer.json"))
    ids = {name: number for number, name in enumerate(names)}
    translator = ctranslate2.Translator(
        str(folder / "ctranslate2"), compute_type=compute_type, inter_threads=1, intra_threads=options.threads
    )

    def search(source: np.ndarray, beam: int) -> list[list[int]]:
        found = translator.translate_batch(
            [[names[token] for token in row[:-1]] for row in source.tolist()],
            beam_size=beam,
            max_decoding_length=options.length,
            min_decoding_length=options.length,
            return_scores=False,
        )
        return [[ids[name] for name in result.hypotheses[0]] for result in found]

    return search, {"ctranslate2": f"{ctranslate2.__version__}, {compute_type}, {options.threads} threads"}


def hugging_face(
    folder: Path | None, options: argparse.Namespace, *, device: str = "cpu", dtype: str = "float32"
) -> tuple[Search, dict[str, str]]:
    """MarianMTModel.generate, the same shape."""
    import torch
    import transformers

    import numpy_transformer as nt

    torch.set_num_threads(options.threads)
    config = nt.TransformerConfig.preset(options.preset, vocabulary_size=VOCABULARY)
    theirs = transformers.MarianConfig(
        vocab_size=VOCABULARY,
        d_model=config.d_model,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers,
        encoder_attention_heads=config.heads,
        decoder_attention_heads=config.heads,
        encoder_ffn_dim=config.d_ff,
        decoder_ffn_dim=config.d_ff,
        activation_function="relu",
        scale_embedding=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        forced_eos_token_id=None,
        decoder_start_token_id=1,
    )
    torch.manual_seed(0)
    model = transformers.MarianMTModel(theirs).eval().to(device, getattr(torch, dtype))

    def search(source: np.ndarray, beam: int) -> list[list[int]]:
        with torch.inference_mode():
            found = model.generate(
                torch.from_numpy(source).to(device),
                attention_mask=torch.ones(source.shape, dtype=torch.long, device=device),
                num_beams=beam,
                do_sample=False,
                min_new_tokens=options.length,
                max_new_tokens=options.length,
            )
        return found[:, 1:].tolist()

    return search, {"transformers": transformers.__version__, "torch": torch.__version__}


if __name__ == "__main__":
    main()
