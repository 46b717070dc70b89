"""What a card should reach, predicted and not measured: the counted launches of our code against the card's ceilings.

    python benchmarks/gpu_model.py              # the table; needs no card, takes seconds
    python benchmarks/gpu_model.py --write      # also into results/gpu_model.txt and docs/gpu.md

benchmarks/lease/table.py prints the figures beside those measured on a card.

planned_card.py lists every kernel, product and operation that a step starts today, with its bytes and operations. Each
takes the longest of three times on the card: its bytes at a share of the bandwidth, its operations at a share of the
peak of its precision, and the shortest time between two launches. The host takes a time for each launch, and the two
work side by side, so a step takes what the slower of them needs. When the code changes, so do the figures.

The assumptions below are printed with the table. Most are guesses of what can be hoped for; the first run on a card
will show which of them err, and they are then replaced by what was measured.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import decoding
import gpu_roofline
from planned_card import ROOT, Launch, Plan, planned
from training.work import LABEL_SMOOTHING, RATE, model_flops, random_batch

from numpy_transformer.data.batching import Batch
from numpy_transformer.decoding.incremental import IncrementalDecoder
from numpy_transformer.decoding.next_tokens import Barred, best_tokens
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.optimizer import Adam

CARD = "NVIDIA H200 SXM"
# Nominal, from NVIDIA's data sheet of the H200: 4.8 TB/s; dense TFLOP/s without sparsity.
BANDWIDTH = 4.8e12
PEAK = {"float32": 67e12, "tf32": 494e12, "bfloat16": 989e12}
# Guesses of the shares that can be hoped for.
COPY_SHARE = 0.85  # of the nominal bandwidth, by a plain copy
KERNEL_SHARE = 0.90  # of a copy, by a kernel that streams
PRODUCT_SHARE = {"float32": 0.70, "tf32": 0.60, "bfloat16": 0.65}  # of the peak, by a large product
KERNEL_ARITHMETIC = 0.40  # of float32's peak, by a kernel that multiplies without tensor cores
TILE = 128  # rows and columns of a product that are computed together; of small ones 64, 32 or 16
BETWEEN_LAUNCHES = 2.5e-6  # seconds from the end of a kernel to that of an empty one behind it
LARGE = 30e6  # bytes: below, a launch's own time decides, not the bandwidth
DEPENDENT_LOADS = 2e-6  # seconds until the first bytes of a kernel have come and its last have gone
# Seconds of the host for each launch: Python, CuPy and the driver.
HOST = {"kernel": 8e-6, "product": 9e-6, "operation": 11e-6}
WAIT = 20e-6  # seconds from the card's last result of a decoding step to the host's next launch
BOOKKEEPING = 150e-6  # seconds of NumPy on the host in a decoding step, for a few sentences
PER_SENTENCE = 3e-6  # seconds more of it for each further sentence
# The peers, none measured on this card. PyTorch: torch.compile in bfloat16. Milliseconds a step and GB at its peak.
PYTORCH = {"base": (40.0, 12.5), "big": (100.0, 27.0), "tiny": (6.0, 1.0)}
HUGGING_FACE_STEP = 25e-3  # seconds of a decoding step of generate in bfloat16: the host's time, at any batch up to 128
TOKENS, LENGTH, VOCABULARY = 25_000, 25, 37_000
SMALL_TOKENS, SMALL_VOCABULARY = 4_096, 8_000
BEAM, DECODED = 4, 18  # tokens of a source, and of a translation, as in gpu_decoding.py
UPDATES, UPDATE_TOKENS = 8_000, 8_192  # of the run on Multi30k
EVALUATIONS = 20.0  # seconds of the run's start, evaluations and test


class Time(NamedTuple):
    """Predicted seconds of some launches."""

    card: float
    host: float

    @property
    def total(self) -> float:
        """Both work at the same time."""
        return max(self.card, self.host)

    @property
    def limit(self) -> str:
        """Which of them decides."""
        return "card" if self.card >= self.host else "host"


class Row(NamedTuple):
    """A target of the table, and what is predicted for it."""

    target: str
    wanted: str
    predicted: str
    reached: bool
    how: str
    figures: dict[str, float]  # by the names of benchmarks/lease/table.py


def main() -> None:
    parser = argparse.ArgumentParser(description="what an H200 should reach, predicted and not measured")
    parser.add_argument("--write", action="store_true", help="put the table into results/gpu_model.txt and docs/gpu.md")
    write = parser.parse_args().write
    rows = predictions()
    print(report(rows))
    if write:
        (ROOT / "benchmarks" / "results" / "gpu_model.txt").write_text(report(rows) + "\n", encoding="utf-8")
        page = ROOT / "docs" / "gpu.md"
        page.write_text(with_table(page.read_text(encoding="utf-8"), rows), encoding="utf-8")


def predictions() -> list[Row]:
    """All rows of the table."""
    rows = []
    base, launches, memory = training_step("base", VOCABULARY, TOKENS, LENGTH)
    tokens, peer, peer_memory = TOKENS / base.total, *PYTORCH["base"]
    speed = 1000 * base.total / peer
    rows.append(
        Row(
            f"base, V {VOCABULARY:,}, {TOKENS:,} tokens, bf16: target tokens/s over torch.compile's",
            "at least 1.15x and 650,000",
            f"{1 / speed:.2f}x, {tokens:,.0f}",
            1 / speed >= 1.15 and tokens >= 650_000,
            described(base, launches),
            {"base tokens/s": tokens, "base over torch.compile": 1 / speed},
        )
    )
    share = memory / 1e9 / peer_memory
    rows.append(
        Row(
            "its peak memory over PyTorch's",
            "at most 0.65x",
            f"{share:.2f}x, {memory / 1e9:.1f} GB",
            share <= 0.65,
            "arrays alive at once, parameters and moments included; cuBLAS's own not",
            {"base memory GB": memory / 1e9, "base memory over torch.compile": share},
        )
    )
    for preset, tokens_of_batch, vocabulary in (("big", TOKENS, VOCABULARY), ("tiny", SMALL_TOKENS, SMALL_VOCABULARY)):
        time, launches, _ = training_step(preset, vocabulary, tokens_of_batch, LENGTH)
        ratio = PYTORCH[preset][0] / (1000 * time.total)
        per_second = tokens_of_batch / time.total
        rows.append(
            Row(
                f"{preset}, {tokens_of_batch:,} tokens, bf16, over torch.compile's",
                "at least 1.0x",
                f"{ratio:.2f}x, {per_second:,.0f} tokens/s",
                ratio >= 1,
                described(time, launches),
                {f"{preset} tokens/s": per_second, f"{preset} over torch.compile": ratio},
            )
        )
    shares = kernel_shares()
    name, least = min(shares.items(), key=lambda each: each[1])
    rows.append(
        Row(
            "each memory-bound kernel: share of a copy's bandwidth",
            "at least 75%",
            f"{least:.0%}: {name}",
            least >= 0.75,
            f"{sum(one >= 0.75 for one in shares.values())} of {len(shares)} that move {LARGE / 1e6:g} MB or more",
            {f"share of copy, {kernel}": one for kernel, one in shares.items()},
        )
    )
    many, launches = decoding_step(128)
    ratio, per_second = HUGGING_FACE_STEP / many.total, 128 / many.total
    rows.append(
        Row(
            f"decoding base, V {decoding.VOCABULARY:,}, beam {BEAM}, 128 sentences, over Hugging Face's in bf16",
            "at least 3x",
            f"{ratio:.1f}x, {per_second:,.0f} tokens/s",
            ratio >= 3,
            f"a step: {described(many, launches)}",
            {"decoding 128 tokens/s": per_second, "decoding 128 over Hugging Face": ratio},
        )
    )
    one, launches = decoding_step(1)
    milliseconds = 1000 * DECODED * one.total
    rows.append(
        Row(
            f"one sentence of {DECODED} tokens",
            "at most 25 ms",
            f"{milliseconds:.0f} ms",
            milliseconds <= 25,
            f"a step: {described(one, launches)}; the encoder left out",
            {"decoding 1 ms": milliseconds},
        )
    )
    update, launches, _ = training_step("tiny", SMALL_VOCABULARY, UPDATE_TOKENS, 16)
    minutes = (UPDATES * update.total + EVALUATIONS) / 60
    rows.append(
        Row(
            f"Multi30k tiny, {UPDATES:,} updates; BLEU",
            "under 4 minutes; within 0.3 of the CPU's",
            f"{minutes:.1f} minutes; BLEU cannot be predicted",
            minutes < 4,
            f"an update: {described(update, launches)}",
            {"multi30k minutes": minutes},
        )
    )
    return rows


# --- What our code starts ---


def training_step(preset: str, vocabulary: int, tokens: int, length: int) -> tuple[Time, list[Launch], int]:
    """A step in bfloat16: its time, its launches, and the most bytes alive at once."""
    config = TransformerConfig.preset(preset, vocabulary_size=vocabulary)
    with planned() as plan:
        model = Transformer(config, device="gpu", precision="bfloat16", initialise=False)
        adam, runner = Adam.for_parameters(model.parameters.flat), GpuStep(model)
        source, target = random_batch(config, tokens // length, length)
        batch = Batch(source, target, target[:, 1:].size)

        def step(number: int) -> None:
            runner.step(adam, [batch], rate=RATE, seed=(0, number), label_smoothing=LABEL_SMOOTHING)

        step(0)  # makes tables
        launches = of_this(plan, lambda: step(1))
        card, host = time_of(launches, precision="bfloat16")
        # Operations of the model that no product does are a kernel's: attention's, if it has one.
        rest = model_flops(config, source, target) - sum(launch.operations for launch in launches)
        card += max(0, rest) / (PEAK["float32"] * KERNEL_ARITHMETIC)
        return Time(card, host), launches, plan.peak


def decoding_step(sentences: int) -> tuple[Time, list[Launch]]:
    """The mean step of a beam search in bfloat16, past the first, which has a single hypothesis."""
    config = TransformerConfig.preset("base", vocabulary_size=decoding.VOCABULARY)
    rng = np.random.default_rng(0)
    with planned() as plan:
        model = Transformer(config, device="gpu", initialise=False)
        decoder = IncrementalDecoder(model, random_batch(config, sentences, DECODED)[0])
        barred = Barred(config.pad_id, config.bos_id, config.eos_id)
        decoder.step(np.full((sentences, 1), config.bos_id))
        parents = None

        def step() -> None:
            tokens = rng.integers(3, decoding.VOCABULARY, (sentences, BEAM))
            best_tokens(decoder.step(tokens, parents), BEAM, barred)

        step()
        parents = np.tile(np.arange(BEAM), (sentences, 1))
        steps = DECODED - 2
        launches = of_this(plan, lambda: [step() for _ in range(steps)])
    card, host = (seconds / steps for seconds in time_of(launches, precision="bfloat16"))
    # The card waits for the host's search, and the host for the card's result.
    extra = WAIT + BOOKKEEPING + PER_SENTENCE * (sentences - 1)
    return Time(card + extra, host + extra), launches[: len(launches) // steps]


def of_this(plan: Plan, work: Callable[[], object]) -> list[Launch]:
    """The launches of `work`."""
    before = len(plan.launches)
    work()
    return plan.launches[before:]


def kernel_shares() -> dict[str, float]:
    """Predicted bandwidth of each large layer of gpu_roofline.py that only moves numbers, over that of a copy.

    The bytes are those that must be moved; the time is that of what is moved, in all of the layer's launches.
    """
    sizes = gpu_roofline.sizes_of(TransformerConfig.preset("base", vocabulary_size=VOCABULARY), TOKENS, LENGTH)
    shares = {}
    for row in gpu_roofline.kernel_rows(sizes):
        if row.bytes < LARGE:
            continue
        with planned() as plan:
            work = row.prepare(sys.modules["cupy"])
            seconds = time_of(of_this(plan, work), precision="float32").card
        shares[row.name] = row.bytes / seconds / (BANDWIDTH * COPY_SHARE)
    return shares


# --- How long it should take ---


def time_of(launches: Sequence[Launch], *, precision: str) -> Time:
    """Launches one after the other; `precision` is that of products of float32 numbers."""
    card = sum(max(BETWEEN_LAUNCHES, seconds_on_card(launch, precision)) for launch in launches)
    return Time(card, sum(HOST[launch.kind] for launch in launches))


def seconds_on_card(launch: Launch, precision: str) -> float:
    """From its first byte to its last."""
    moving = launch.bytes / (BANDWIDTH * COPY_SHARE * KERNEL_SHARE)
    if launch.kind == "product":
        return DEPENDENT_LOADS + max(moving, seconds_of_product(launch, precision))
    return DEPENDENT_LOADS + moving


def seconds_of_product(launch: Launch, precision: str) -> float:
    """Whole tiles are computed.

    Factors that are stored in float32 reach tensor cores as tf32 at best, even if they may be rounded to bfloat16.
    """
    M, K, N = launch.sizes
    if launch.itemsize == 2:
        precision = "bfloat16"
    elif precision == "bfloat16":
        precision = "tf32"
    computed = 2 * launch.batch * K * _in_tiles(M) * _in_tiles(N)
    return computed / (PEAK[precision] * PRODUCT_SHARE[precision])


def _in_tiles(size: int) -> int:
    """Rows or columns that are computed, for a product that has `size` of them."""
    return -(-size // TILE) * TILE if size > TILE else max(16, 1 << (size - 1).bit_length())


# --- The report ---


def described(time: Time, launches: Sequence[Launch]) -> str:
    """The launches by their kinds, what they move and compute, and the two times."""
    kinds = Counter(launch.kind for launch in launches)
    moved, computed = sum(launch.bytes for launch in launches), sum(launch.operations for launch in launches)
    counted = ", ".join(f"{kinds[kind]:,} {kind}s" for kind in HOST if kinds[kind])
    return (
        f"{counted}; {moved / 1e9:,.2f} GB, {computed / 1e12:.2f} TFLOP; card {1000 * time.card:.2f} ms, host "
        f"{1000 * time.host:.2f} ms"
    )


def line(row: Row) -> str:
    """Of a table in Markdown."""
    return f"| {row.target} | {row.wanted} | {row.predicted} | {'yes' if row.reached else 'no'} |"


def with_table(page: str, rows: Sequence[Row]) -> str:
    """The page with these rows instead of those that it has."""
    head = "| | target | predicted | reached |\n|---|---|---|---|\n"
    before, rest = page.split(head)
    return before + head + "".join(line(row) + "\n" for row in rows) + "\n" + rest.partition("\n\n")[2]


def report(rows: Sequence[Row]) -> str:
    """The table in Markdown, and the assumptions."""
    lines = [
        f"PREDICTED for one {CARD}, NOT MEASURED on any card.",
        "",
        "| | target | predicted | reached | counted, of one step |",
        "|---|---|---|---|---|",
        *(f"{line(row)} {row.how} |" for row in rows),
    ]
    peers = ", ".join(f"{preset} {step:g} ms and {memory:g} GB" for preset, (step, memory) in PYTORCH.items())
    shares = ", ".join(f"{name} {share:.0%} of {PEAK[name] / 1e12:g} TFLOP/s" for name, share in PRODUCT_SHARE.items())
    host = ", ".join(f"{kind} {1e6 * seconds:g}" for kind, seconds in HOST.items())
    return "\n".join(
        [
            *lines,
            "",
            "Assumptions:",
            f"- a copy moves {COPY_SHARE:.0%} of {BANDWIDTH / 1e12:g} TB/s, and a kernel {KERNEL_SHARE:.0%} of that;",
            f"- products: {shares}, in whole tiles; factors stored in float32 count as tf32 at best; "
            f"attention's in a kernel {KERNEL_ARITHMETIC:.0%} of float32's peak;",
            f"- a launch takes at least {1e6 * BETWEEN_LAUNCHES:g} microseconds on the card, and "
            f"{1e6 * DEPENDENT_LOADS:g} beside its bytes or operations;",
            f"- microseconds of the host for each launch: {host};",
            f"- in a search, {1e6 * (WAIT + BOOKKEEPING):g} microseconds a step in which the card waits, and "
            f"{1e6 * PER_SENTENCE:g} for each further sentence;",
            f"- torch.compile in bfloat16, a step: {peers}; a step of Hugging Face's generate: "
            f"{1000 * HUGGING_FACE_STEP:g} ms.",
        ]
    )


if __name__ == "__main__":
    main()
