"""Buckets: all of the flat buffer, in the backward's order, each begun when every worker has left its layers."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_parallel import CONFIG, make_batches

from numpy_transformer.models.backward_progress import told_of_layers
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.models.encoder_only import Encoder
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.distributed.buckets import Bucket, BucketSums, bucket_plan

MODELS = (Transformer, LanguageModel, Encoder)
DEEP = CONFIG.replace(encoder_layers=3, decoder_layers=3)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("least", [1, 1000, 10**9])
@pytest.mark.parametrize("model_class", MODELS)
def test_buckets_are_the_whole_buffer(model_class, least, norm):
    parameters = model_class(DEEP.replace(norm=norm), seed=0).parameters
    plan = bucket_plan(parameters, least)
    covered = np.zeros(len(parameters.flat), dtype=int)
    for bucket in plan:
        covered[bucket.part] += 1
    assert (covered == 1).all()
    starts = [bucket.part.start for bucket in plan if bucket.layers]
    assert starts == sorted(starts, reverse=True)
    assert sum(bucket.layers for bucket in plan) == len(parameters.layers())
    kinds = [bool(bucket.layers) for bucket in plan]
    assert kinds == sorted(kinds, reverse=True)  # what stands in no layer comes last


@pytest.mark.parametrize("recompute", [False, True])
def test_a_layer_is_announced_once_and_complete(recompute):
    """In the order of the plan; nothing is written to it later."""
    model = Transformer(DEEP, seed=0, dtype="float64", recompute=recompute)
    gradients = model.parameters.twin()
    places = {id(tree): part for tree, part in gradients.layers()}
    heard = []
    with told_of_layers(lambda tree: heard.append((places[id(tree)], gradients.flat[places[id(tree)]].copy()))):
        model.loss_and_gradients(*make_batches(1)[0].inputs, gradients=gradients)
    assert [part for part, _ in heard] == [bucket.part for bucket in bucket_plan(model.parameters, 1) if bucket.layers]
    assert len(heard) == 6
    for part, values in heard:
        np.testing.assert_array_equal(gradients.flat[part], values)


def test_a_sum_begins_when_all_workers_have_left_its_layers():
    plan = [Bucket(slice(20, 30), 2), Bucket(slice(10, 20), 1), Bucket(slice(0, 10), 0)]
    begun, added = [], threading.Semaphore(0)

    def add(part: slice) -> None:
        begun.append(part)
        added.release()

    with ThreadPoolExecutor(1) as executor:
        sums = BucketSums(plan, 2, add, executor)
        for start in (25, 10, 10, 25, 20):  # the second bucket is complete before the first
            sums.layer_done(slice(start, start + 5))
        assert begun == []
        sums.layer_done(slice(20, 25))
        added.acquire()
        added.acquire()
        assert begun == [plan[0].part, plan[1].part]
        sums.finish()
    assert begun == [bucket.part for bucket in plan]


def test_a_sum_that_fails_is_heard_of():
    with ThreadPoolExecutor(1) as executor:
        sums = BucketSums([Bucket(slice(0, 10), 0)], 1, lambda part: 1 / 0, executor)
        with pytest.raises(ZeroDivisionError):
            sums.finish()
