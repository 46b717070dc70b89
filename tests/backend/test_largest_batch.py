"""The largest batch goes through a card once before the first step: it takes the memory, and changes nothing."""

import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from simulated_pool import SimulatedPool, simulated_pool
from small_parser import write_treebank
from small_run import numbers_in_words
from small_sounds import write_digits
from test_gpu_path import CONFIG, Run, make_batches

from numpy_transformer.commands import train
from numpy_transformer.errors import InputError
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.largest_batch import largest_part
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.task import Task
from numpy_transformer.training.trainer import Trainer

SIZES = ["--d-model", "16", "--d-ff", "32", "--heads", "2", "--layers", "1", "--vocabulary", "300"]
KINDS = {
    "pairs": ["--data", "pairs.tsv"],
    "pairs, tokens drawn": ["--data", "pairs.tsv", "--bpe-dropout", "0.1"],
    "trees": ["--data", "bank", "--batch-tokens", "60"],
    "a stream": ["--model", "decoder", "--data", "text.txt", "--context", "16"],
    "masked words": ["--model", "encoder", "--data", "text.txt"],
    "classes": ["--model", "encoder", "--task", "classify", "--data", "labelled.tsv"],
    "sounds": ["--data", "spoken-digits", "--data-dir", "digits"],
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts of very different lengths."""
    folder, rng = tmp_path_factory.mktemp("texts"), random.Random(0)
    pairs = [pair.split("\t") for pair in numbers_in_words(150)]
    long = [[" ".join([side] * rng.choice([1, 1, 1, 2, 6])) for side in pair] for pair in pairs]
    (folder / "pairs.tsv").write_text("\n".join("\t".join(pair) for pair in long) + "\n", encoding="utf-8")
    (folder / "text.txt").write_text("\n".join(pair[0] for pair in long) + "\n", encoding="utf-8")
    labelled = [f"{'ODD' if i % 2 else 'EVEN'}\t{pair[0]}" for i, pair in enumerate(long)]
    (folder / "labelled.tsv").write_text("\n".join(labelled) + "\n", encoding="utf-8")
    write_treebank(folder / "bank")
    return folder


class NotTodayError(Exception):
    """Instead of a run."""


@pytest.fixture
def task(
    request: pytest.FixtureRequest, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Task]:
    """The task that train.py makes of this data."""
    monkeypatch.chdir(texts)
    if request.param == "sounds":
        pytest.importorskip("soundfile")
        write_digits(texts / "digits", takes=11)
    begun: list[Trainer] = []

    def run(trainer: Trainer) -> bool:
        begun.append(trainer)
        raise NotTodayError

    monkeypatch.setattr(Trainer, "run", run)
    arguments = ["--batch-tokens", "150", *KINDS[request.param], *SIZES, "--steps", "4", "--run", str(tmp_path / "run")]
    with pytest.raises(NotTodayError):
        train.train(train.parse_arguments(arguments))
    return begun[0].task


@pytest.mark.parametrize("task", KINDS, indirect=True)
def test_no_batch_of_an_epoch_needs_much_more_memory(task: Task):
    """Measured: forward and backward on the CPU."""
    model = task.make_model()
    gradients = model.parameters.twin()

    def peak(batch) -> int:
        tracemalloc.start()
        model.loss_and_gradients(*batch.inputs, seed=1, token_count=batch.token_count, gradients=gradients)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    largest = task.largest_batch()
    peak(largest)  # tables that are made once
    epoch = [batch for _, batch in takewhile(lambda each: each[0] == 0, task.batches(0))]
    peaks = [peak(batch) for batch in epoch]
    assert len(peaks) > 3
    assert peak(largest) >= 0.95 * max(peaks)
    assert len(task.largest_update()) == 1
    task.options = replace(task.options, accumulate=5)
    assert len(task.largest_update()) == 2  # the sum of gradients is kept from the second on


def test_the_batch_with_most_positions_and_scores_is_the_largest():
    lengths = np.array([2, 9, 9, 30, 30, 31]), np.array([2, 8, 9, 30, 30, 2])
    parts = [np.array(part) for part in ([0], [1, 2], [3, 4], [5])]
    assert largest_part(parts, lengths, CONFIG) == 2
    parts[2] = parts[0]
    assert largest_part(parts, lengths, CONFIG) == 3  # a long sentence's scores
    assert largest_part(parts, lengths, CONFIG.replace(d_model=64, d_ff=64)) == 1  # more positions of a wider model


def states_of(run: Run) -> list[bytes]:
    return [array.tobytes() for array in run.state]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_it_changes_nothing(accumulate: int):
    """Parameters, moments and counters stay, and the steps that follow are the same bits."""
    plain, warmed = (Run(card=True, dtype="float32") for _ in range(2))
    before = states_of(warmed)
    warmed.steps = GpuStep(warmed.model, largest=make_batches(min(2, accumulate), seed=99))
    with warmed.steps as steps:
        assert states_of(warmed) == before
        assert steps.collect() == []
        assert warmed.adam.step == 0
        results = [
            [result for n in range(4) for result in run.step(n, accumulate=accumulate)] for run in (plain, warmed)
        ]
        assert results[0] + plain.steps.collect() == results[1] + steps.collect()
    assert states_of(plain) == states_of(warmed)
    assert plain.adam.step == warmed.adam.step == 4


@pytest.mark.parametrize("task", ["pairs"], indirect=True)
@pytest.mark.usefixtures("cupy")
def test_after_it_the_card_is_hardly_asked_for_memory(task: Task):
    """In CuPy's pool, simulated: how often the steps of an epoch ask for more, with the attempt and without."""
    asked = {}
    for largest in ((), task.largest_update()):
        with simulated_pool() as pool:
            model = Transformer(task.config.replace(dropout=0.1), device="gpu")
            adam = Adam.for_parameters(model.parameters.flat)
            with GpuStep(model, largest=largest) as steps:
                before = pool.asked
                for number, (_, batch) in enumerate(takewhile(lambda each: each[0] == 0, task.batches(0))):
                    steps.step(adam, [batch], rate=1e-3, seed=(1, number), label_smoothing=0.1)
                steps.collect()
            asked[bool(largest)] = pool.asked - before
    assert asked[False] > 20
    assert asked[True] <= asked[False] / 5


def test_a_simulated_pool_joins_what_it_cut():
    pool = SimulatedPool()
    whole = pool.take(2000)
    assert (whole.size, pool.asked, pool.bytes) == (2048, 1, 2048)
    pool.give_back(whole)
    first, second = pool.take(500), pool.take(1000)
    assert (first.chunk, second.chunk, pool.asked) == (1, 1, 1)
    pool.give_back(first)
    assert pool.take(1000).chunk == 2  # 512 and 512 bytes are free, apart from each other
    pool.give_back(second)
    assert pool.take(2048).chunk == 1


def test_one_that_does_not_fit_is_refused_before_the_first_step(monkeypatch: pytest.MonkeyPatch):
    run, original = Run(card=True), Run(card=True).model.loss_and_gradients

    def limited(source, target, **options):
        if source.size > 20:
            raise MemoryError("Out of memory allocating 1,024 bytes")
        return original(source, target, **options)

    monkeypatch.setattr(run.model, "loss_and_gradients", limited)
    [large] = make_batches(1, seed=1)
    assert large.source.size > 20
    with (
        pytest.raises(InputError, match=r"does not fit on the GPU .* fit: use --batch-tokens \d+"),
        GpuStep(run.model, largest=[large]),
    ):
        raise AssertionError("not entered")


@pytest.mark.usefixtures("cupy")
def test_a_run_on_a_card_begins_with_it(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before anything else the model computes, in a new run and in a resumed one."""
    monkeypatch.chdir(texts)
    seen: list[int] = []
    original = GpuStep._batch_loss

    def spy(self, attempt, batch):
        seen.append(sum(side.size for side in batch.inputs))
        return original(self, attempt, batch)

    monkeypatch.setattr(GpuStep, "_batch_loss", spy)
    options = [*KINDS["pairs"], *SIZES, "--batch-tokens", "150", "--device", "gpu", "--average", "1"]
    for more in ([*options, "--steps", "30"], ["--resume", "--steps", "60"]):
        seen.clear()
        assert not train.train(train.parse_arguments([*more, "--run", str(tmp_path / "run")]))
        assert len(seen) == 31
        assert seen[0] > 0.9 * max(seen)
        assert seen[0] > 1.5 * min(seen)
