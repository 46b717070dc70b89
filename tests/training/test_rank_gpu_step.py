"""A step on the GPUs of several ranks, on the stand-in: what is put on which stream, in which order, and no waiting."""

import sys

import numpy as np
import pytest
import strict_cuda
import strict_gpu
import strict_nccl
from test_parallel import CONFIG, make_batches

from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.distributed import nccl as nccl_module
from numpy_transformer.training.distributed.buckets import bucket_plan
from numpy_transformer.training.distributed.nccl import NcclRanks
from numpy_transformer.training.distributed.rank_gpu_step import RankGpuStep
from numpy_transformer.training.gpu_step import RESULTS_EVERY, GpuStep
from numpy_transformer.training.optimizer import Adam


class Alone:
    """The small messages of one rank."""

    def __init__(self) -> None:
        self.rank, self.size, self.host = 0, 1, "here"

    def broadcast(self, value):
        return value

    def gather(self, value):
        return [value]


@pytest.fixture
def ranks(monkeypatch) -> NcclRanks:
    """One rank on the stand-in; its streams have had no work yet."""
    monkeypatch.setitem(sys.modules, "cupy", strict_gpu)
    monkeypatch.setitem(sys.modules, "cupy.cuda", strict_cuda)
    monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", strict_nccl)
    monkeypatch.setattr(nccl_module, "Star", Alone)
    monkeypatch.setattr(nccl_module, "Watch", lambda *arguments: None)
    monkeypatch.setattr(strict_cuda, "work", [])
    return NcclRanks()


def model_on_card() -> Transformer:
    return Transformer(CONFIG, seed=1, device="gpu")


def step(steps: GpuStep, adam: Adam, batches: int = 1, clip: float | None = 0.5):
    return steps.step(adam, make_batches(batches), rate=0.01, seed=(3, 1), label_smoothing=0.1, clip=clip)


@pytest.mark.parametrize("batches", [1, 3])
def test_one_rank_computes_what_no_ranks_do(ranks, batches):
    models = model_on_card(), model_on_card()
    for model, steps in zip(models, (GpuStep(models[0]), RankGpuStep(models[1], ranks, least_bucket=1)), strict=True):
        adam = Adam.for_parameters(model.parameters.flat)
        for _ in range(3):
            step(steps, adam, batches)
        assert [result.updated for result in steps.collect()] == [True] * 3
    np.testing.assert_array_equal(*(model.parameters.flat.get() for model in models))


@pytest.mark.parametrize("batches", [1, 2])
def test_each_sum_waits_for_its_layers_on_the_second_stream(ranks, batches):
    model = model_on_card()
    steps = RankGpuStep(model, ranks, least_bucket=1)
    strict_cuda.work.clear()
    step(steps, Adam.for_parameters(model.parameters.flat), batches, clip=None)
    flat, work = steps.gradients, strict_cuda.work
    plan = [bucket.part for bucket in bucket_plan(model.parameters, 1)]
    sums = [(number, memory) for number, (_, what, memory) in enumerate(work) if what == "sum"]
    places = [(address - flat.data.ptr) // flat.itemsize for _, (address, _) in sums[:-1]]
    assert places == [part.start for part in plan]  # the last one is the loss
    for number, _ in sums:
        (first, recorded, event), (second, waited, same), (beside, _, _) = work[number - 2 : number + 1]
        assert (first, recorded, waited) == (0, "record", "wait")
        assert event is same
        assert second == beside != 0
    *_, (stream, what, event), (first, waited, same) = work  # nothing is used before all sums are made
    assert (what, first, waited) == ("record", 0, "wait")
    assert event is same
    assert stream != 0
    # What was handed over was complete: with one rank the sum is the gradient.
    for part, (_, (_, handed_over)) in zip(plan, sums, strict=False):
        np.testing.assert_array_equal(handed_over, flat.get()[part])


def test_the_host_never_waits_but_for_results(ranks):
    model = model_on_card()
    steps, adam = RankGpuStep(model, ranks, least_bucket=1), Adam.for_parameters(model.parameters.flat)
    with strict_gpu.counted() as counts:
        for _ in range(RESULTS_EVERY - 1):
            assert step(steps, adam) == []
        assert counts.synchronizations == 0
        assert len(step(steps, adam)) == RESULTS_EVERY
        assert counts.synchronizations == 1
