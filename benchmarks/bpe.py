# ruff: noqa: E402  (the threads of the peers and the search path must be set before they are imported)
"""Speed of this BPE, Hugging Face tokenizers, SentencePiece, tiktoken, subword-nmt and minbpe's algorithm.

    python benchmarks/bpe.py [--corpus multi30k|tatoeba ...] [--repeat N] [--data-dir DIR] [--output PATH]

Each tool uses one thread, and they take turns, so that all meet the same noise. A figure is the median of the
repeats, in processor time of this process, because on a busy machine the wall clock would also measure other work.
Tools that are not installed are left out.

Cold means a new tokenizer that has seen no text; warm means the same call again. The tokenizers of Hugging Face
and tiktoken have our vocabulary and give our ids (bpe_proofs.py shows this). SentencePiece and subword-nmt have
their own vocabularies of the same size. For Hugging Face the fastest way to encode a list is shown, without the time
to extract the ids from its results. minbpe's algorithm (recount every pair of the whole corpus before each merge) is
written out below; its time is measured for a few merges and multiplied.
"""

import os
import sys
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: this file is called bpe too

import argparse
import base64
import contextlib
import io
import json
import statistics
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import bpe
from benchmarks.bpe_corpora import Report, data_folder, multi30k, tatoeba
from bpe.formats import write_huggingface, write_tiktoken
from bpe.pretokenizer import PreTokenizer

SIZE = 8000
MINBPE_MERGES = 3

Encoder = Callable[[list[str]], Any]


def installed(name: str) -> Any:
    """The module, or None."""
    try:
        return __import__(name)
    except ImportError:
        return None


def learners(lines: list[str]) -> dict[str, Callable[[], Any]]:
    """For each tool, a function that learns a vocabulary of SIZE."""
    found: dict[str, Callable[[], Any]] = {"ours": lambda: bpe.train(lines, SIZE)}
    if tokenizers := installed("tokenizers"):

        def huggingface() -> None:
            peer = tokenizers.Tokenizer(tokenizers.models.BPE())
            peer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
            trainer = tokenizers.trainers.BpeTrainer(
                vocab_size=SIZE,
                show_progress=False,
                special_tokens=["<pad>", "<bos>", "<eos>"],
                initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            )
            peer.train_from_iterator(lines, trainer)

        found["tokenizers"] = huggingface
    if installed("sentencepiece"):
        found["sentencepiece"] = lambda: sentencepiece_model(lines)
    if installed("subword_nmt"):
        found["subword-nmt"] = lambda: subword_nmt_codes(lines)
    found["minbpe's algorithm"] = lambda: minbpe_learn(lines, MINBPE_MERGES)
    return found


def sentencepiece_model(lines: list[str]) -> bytes:
    """A SentencePiece BPE model."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=SIZE,
        model_type="bpe",
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def subword_nmt_codes(lines: list[str]) -> str:
    """Codes of subword-nmt."""
    from subword_nmt.learn_bpe import learn_bpe

    codes = io.StringIO()
    with contextlib.redirect_stderr(io.StringIO()):
        learn_bpe(io.StringIO("\n".join(lines)), codes, SIZE)
    return codes.getvalue()


def minbpe_learn(lines: list[str], merges: int) -> None:
    """Learn as minbpe does: every pre-token of the corpus is a list; each merge counts and rewrites them all."""
    split = PreTokenizer().split
    words = [list(piece.encode()) for line in lines for piece in split(line)]
    for made in range(256, 256 + merges):
        totals: Counter[tuple[int, int]] = Counter()
        for word in words:
            for pair in pairwise(word):
                totals[pair] += 1
        best = max(totals, key=totals.__getitem__)
        words = [minbpe_join(word, best, made) for word in words]


def minbpe_join(word: list[int], pair: tuple[int, int], made: int) -> list[int]:
    """One merge in one pre-token."""
    joined = []
    position = 0
    while position < len(word):
        if position < len(word) - 1 and (word[position], word[position + 1]) == pair:
            joined.append(made)
            position += 2
        else:
            joined.append(word[position])
            position += 1
    return joined


def minbpe_encoder(tokenizer: bpe.Tokenizer) -> Encoder:
    """Encode as minbpe does: for each pre-token, look for the earliest merge until there is none; no cache."""
    split = PreTokenizer().split
    table = tokenizer._table

    def encode(lines: list[str]) -> list[list[int]]:
        encoded = []
        for line in lines:
            ids: list[int] = []
            for piece in split(line):
                word = list(piece.encode())
                while len(word) > 1:
                    pair = min(pairwise(word), key=lambda pair: table.get(pair, float("inf")))
                    if pair not in table:
                        break
                    word = minbpe_join(word, pair, table[pair])
                ids += word
            encoded.append(ids)
        return encoded

    return encode


def coders(tokenizer: bpe.Tokenizer, lines: list[str]) -> dict[str, Callable[[], tuple[Encoder, Any]]]:
    """For each tool a function that makes a fresh (encode a list of lines, decode what that gives)."""
    folder = Path(tempfile.mkdtemp())
    tokenizer.save(folder / "ours.json")

    def ours() -> tuple[Encoder, Any]:
        fresh = bpe.Tokenizer.load(folder / "ours.json")
        fresh.encode(".")  # compiles the split pattern, which the compiled tools did when they were made
        return fresh.encode_batch, fresh.decode_batch

    found: dict[str, Callable[[], tuple[Encoder, Any]]] = {"ours": ours}
    if tokenizers := installed("tokenizers"):
        write_huggingface(tokenizer, folder / "tokenizer.json")
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")

        def huggingface(way: str) -> tuple[Encoder, Any]:
            peer = tokenizers.Tokenizer.from_str(text)
            encode = {
                "encode": lambda lines: [peer.encode(line) for line in lines],
                "encode_batch": peer.encode_batch,
                "encode_batch_fast": peer.encode_batch_fast,
            }[way]
            return encode, lambda results: peer.decode_batch([encoding.ids for encoding in results])

        for way in ("encode", "encode_batch", "encode_batch_fast"):
            found[f"tokenizers {way}"] = partial(huggingface, way)
    if sentencepiece := installed("sentencepiece"):
        model = sentencepiece_model(lines)

        def spm() -> tuple[Encoder, Any]:
            peer = sentencepiece.SentencePieceProcessor(model_proto=model)
            return lambda lines: peer.encode(lines, num_threads=1), lambda ids: peer.decode(ids, num_threads=1)

        found["sentencepiece"] = spm
    if tiktoken := installed("tiktoken"):
        write_tiktoken(tokenizer, folder / "ranks")
        pairs = [line.split() for line in (folder / "ranks").read_text().splitlines()]
        ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}

        def openai() -> tuple[Encoder, Any]:
            peer = tiktoken.Encoding(
                "ours",
                pat_str=tokenizer.pattern,
                mergeable_ranks=ranks,
                special_tokens=tokenizer.special_tokens,
            )
            return lambda lines: list(map(peer.encode_ordinary, lines)), lambda ids: list(map(peer.decode, ids))

        found["tiktoken"] = openai
    if installed("subword_nmt"):
        codes = subword_nmt_codes(lines)

        def subword_nmt() -> tuple[Encoder, Any]:
            from subword_nmt.apply_bpe import BPE

            peer = BPE(io.StringIO(codes))
            return lambda lines: list(map(peer.process_line, lines)), None

        found["subword-nmt"] = subword_nmt
    found["minbpe's algorithm"] = lambda: (minbpe_encoder(tokenizer), None)
    return found


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of one call, and what it returns."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def megabytes(lines: list[str]) -> float:
    """Size as UTF-8 with line ends."""
    return sum(len(line.encode()) + 1 for line in lines) / 1e6


def is_slow(tool: str) -> bool:
    """Whether this tool is timed only once, and encodes only a tenth of the lines."""
    return tool.startswith(("minbpe", "subword"))


def benchmark_learning(lines: list[str], repeat: int) -> dict[str, float]:
    """Seconds that each tool takes to learn."""
    times: dict[str, list[float]] = {}
    for number in range(repeat):
        for tool, learn in learners(lines).items():
            if not (is_slow(tool) and number):
                times.setdefault(tool, []).append(seconds(learn)[0])
    medians = {tool: statistics.median(taken) for tool, taken in times.items()}
    medians["minbpe's algorithm"] *= (SIZE - 259) / MINBPE_MERGES
    return medians


def benchmark_coding(lines: list[str], repeat: int) -> dict[str, dict[str, float]]:
    """MB/s of each tool, encoding with a new tokenizer, encoding again, and decoding."""
    rates: dict[str, dict[str, list[float]]] = {}
    makers = coders(bpe.train(lines, SIZE), lines)
    for number in range(repeat):
        for tool, make in makers.items():
            if is_slow(tool) and number:
                continue
            share = lines[:: 10 if is_slow(tool) else 1]
            size = megabytes(share)
            encode, decode = make()
            rate = rates.setdefault(tool, defaultdict(list))
            rate["cold"].append(size / seconds(partial(encode, share))[0])
            taken, encoded = seconds(partial(encode, share))
            rate["warm"].append(size / taken)
            if decode is not None:
                taken, decoded = seconds(partial(decode, encoded))
                rate["decode"].append(size / taken)
                if tool == "ours" and decoded != lines:
                    raise AssertionError("decoding does not give back the corpus")
    return {tool: {kind: statistics.median(found) for kind, found in rate.items()} for tool, rate in rates.items()}


def benchmark(name: str, lines: list[str], repeat: int, report: Report) -> None:
    """Learn, encode and decode one corpus with every tool."""
    report(
        f"{name}: {len(lines):,} lines, {megabytes(lines):.2f} MB, vocabulary {SIZE:,}; median of {repeat}, "
        "of the slow tools one"
    )
    learn = benchmark_learning(lines, repeat)
    report("  learning, seconds")
    for tool, taken in learn.items():
        estimate = f"  (estimated from {MINBPE_MERGES} merges)" if tool.startswith("minbpe") else ""
        report(f"    {tool:<28}{taken:10.2f}{estimate}")
    encode = benchmark_coding(lines, repeat)
    report("  MB/s                          encode cold  encode warm      decode")
    for tool, rate in encode.items():
        shown = "".join(f"{rate[kind]:>13.2f}" if kind in rate else "" for kind in ("cold", "warm", "decode"))
        report(f"    {tool:<26}{shown}")
    values = {"learn_seconds": learn, "encode": encode}
    report.values[name] = values
    summarise(values, report)


def summarise(values: dict[str, Any], report: Report) -> None:
    """Our targets, as ratios of this run."""
    learn, encode = values["learn_seconds"], values["encode"]
    huggingface = [rate for tool, rate in encode.items() if tool.startswith("tokenizers")]
    lines = []
    if huggingface:
        warm, cold = (max(rate[kind] for rate in huggingface) for kind in ("warm", "cold"))
        lines.append(f"encoding, warm: {encode['ours']['warm'] / warm:.1f}x Hugging Face (asked: 2)")
        lines.append(f"encoding, cold: {encode['ours']['cold'] / cold:.1f}x Hugging Face (asked: 1)")
        ratio = learn["ours"] / learn["tokenizers"]
        lines.append(f"learning: {ratio:.2f}x the time of Hugging Face (asked: at most 3)")
    if "sentencepiece" in encode:
        ratio = encode["ours"]["warm"] / encode["sentencepiece"]["warm"]
        lines.append(f"encoding, warm: {ratio:.1f}x SentencePiece (asked: 1.3)")
    if "subword-nmt" in learn:
        lines.append(f"learning: {learn['subword-nmt'] / learn['ours']:.1f}x faster than subword-nmt (asked: 4)")
    for line in lines:
        report(f"  {line}")
    report("")


START = """
import json, sys, time
begin = time.process_time(); import bpe; imported = time.process_time() - begin
times = []
for _ in range(9):
    begin = time.process_time(); bpe.Tokenizer.load(sys.argv[1]); times.append(time.process_time() - begin)
tokenizer = bpe.Tokenizer.load(sys.argv[1])
begin = time.process_time(); tokenizer.encode("A dog runs across the street."); first = time.process_time() - begin
print(json.dumps([imported, sorted(times)[4], first]))
"""

LEARN_ALL = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import bpe
from benchmarks.bpe_corpora import multi30k, peak_megabytes, tatoeba
folder = Path(sys.argv[2])
lines = multi30k(folder) + tatoeba(folder)
begin = time.process_time(); tokenizer = bpe.train(lines, 259 + 32000)
taken = time.process_time() - begin
print(len(tokenizer.merges), round(taken, 2), round(peak_megabytes()))
"""


def child(program: str, *arguments: str) -> str:
    """What a program prints in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": sys.path[0]}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def start_up(report: Report, lines: list[str]) -> None:
    """How long a program waits for the tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tokenizer.json")
        bpe.train(lines, SIZE).save(path)
        runs = [json.loads(child(START, str(path))) for _ in range(9)]
    names = ("import bpe", f"load a tokenizer of {SIZE:,}", "encode the first sentence")
    medians = [statistics.median(run[number] for run in runs) * 1000 for number in range(3)]
    report("start, milliseconds: " + ", ".join(f"{name} {ms:.1f}" for name, ms in zip(names, medians, strict=True)))
    report.values["start_milliseconds"] = dict(zip(names, medians, strict=True))


def learn_all(report: Report, folder: Path) -> None:
    """32,000 merges on both corpora, in a process of its own, whose memory is measured."""
    merges, taken, memory = child(LEARN_ALL, sys.path[0], str(folder)).split()
    report(
        f"32,000 merges on Multi30k + Tatoeba: {int(merges):,} learned in {taken} s, "
        f"peak memory {memory} MB with the corpora (asked: under 500)"
    )
    report.values["learn_all"] = {"merges": int(merges), "seconds": float(taken), "megabytes": int(memory)}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Speed of BPE, ours and others'.")
    parser.add_argument("--corpus", nargs="+", choices=("multi30k", "tatoeba"), default=["multi30k", "tatoeba"])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--data-dir")
    parser.add_argument("--output", metavar="PATH", help="write PATH.txt and PATH.json")
    options = parser.parse_args()
    folder = data_folder(options.data_dir)
    report = Report()
    corpora = {"multi30k": multi30k, "tatoeba": tatoeba}
    for name in options.corpus:
        benchmark(name, corpora[name](folder), options.repeat, report)
    start_up(report, multi30k(folder))
    learn_all(report, folder)
    report.write(options.output)


if __name__ == "__main__":
    main()
