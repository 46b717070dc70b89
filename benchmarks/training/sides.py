"""The child processes of training_step.py: one side trains on the batches it is given and is timed."""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import libraries, machine, peak_memory

from numpy_transformer.models.config import TransformerConfig
from training.work import LABEL_SMOOTHING, RATE, Batches, load_batches, model_flops, real_tokens

WARM_UP_SECONDS, LEAST_PASSES = 2.0, 3
MATRIX = 2048
Step = Callable[[int], float]  # number of the batch -> loss


def run_side(side: str, options: argparse.Namespace) -> dict[str, Any]:
    """Time passes over the batches, then matrix products; for "layers", measure where our time goes."""
    config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
    batches = load_batches(options.batches)
    if side == "layers":
        from training.layers import layer_times

        step, _, _ = prepare_ours(config, batches, 1, recompute=options.recompute)
        passes = layer_times(lambda: [step(n) for n in range(len(batches))], seconds=options.seconds)
        return {"layers": {row: seconds / len(batches) for row, seconds in passes.items()}}
    step, parameters, product = prepare(side, config, batches, options)

    before = peak_memory()
    numbers = range(len(batches))
    losses: list[float] = []
    start = time.perf_counter()
    while not losses or time.perf_counter() - start < WARM_UP_SECONDS:
        losses += map(step, numbers)
    times: list[float] = []
    processor_seconds = time.process_time()
    while len(times) < LEAST_PASSES or sum(times) < options.seconds:
        times.append(seconds_of(lambda: losses.extend(map(step, numbers))))
    processor_seconds = time.process_time() - processor_seconds
    if not all(map(math.isfinite, losses)):
        raise ArithmeticError(f"the losses are {losses}")
    peak = peak_memory()
    seconds = statistics.median(times)
    return {
        "parameters": parameters,
        "load": machine()["load"],
        "losses": (losses[0], losses[-1]),
        "tokens_per_second": sum(real_tokens(target, config) for _, target in batches) / seconds,
        "step_seconds": seconds / len(batches),
        "step_processor_seconds": processor_seconds / len(times) / len(batches),
        "steps": len(times) * len(batches),
        "flops_per_second": sum(model_flops(config, *batch) for batch in batches) / seconds,
        "matmul_flops_per_second": 2 * MATRIX**3 / min(seconds_of(product) for _ in range(20)),
        "peak_memory": peak,
        "memory_before_steps": before,  # libraries, parameters, optimizer
        "libraries": libraries(),
    }


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


# --- What each side prepares: a training step, the number of parameters, a matrix product ---


def prepare(
    side: str, config: TransformerConfig, batches: Batches, options: argparse.Namespace
) -> tuple[Step, int, Callable[[], object]]:
    """Prepare a side. Imports are here, so that a child loads only what it uses."""
    if side.startswith("ours"):
        return prepare_ours(config, batches, 1 if side == "ours-1" else options.workers, recompute=options.recompute)
    if side == "jax":
        from training.jax_side import jax_product, jax_step

        return *jax_step(config, batches, rate=RATE, label_smoothing=LABEL_SMOOTHING), jax_product(MATRIX)
    from training.torch_side import torch_product, torch_step

    return *torch_step(side, config, batches, rate=RATE, label_smoothing=LABEL_SMOOTHING), torch_product(MATRIX)


def prepare_ours(
    config: TransformerConfig, batches: Batches, threads: int, *, recompute: bool
) -> tuple[Step, int, Callable[[], object]]:
    from numpy_transformer.data.batching import Batch
    from numpy_transformer.models.transformer import Transformer
    from numpy_transformer.training.optimizer import Adam
    from numpy_transformer.training.parallel import Workers

    model = Transformer(config, seed=0, recompute=recompute)
    adam = Adam.for_parameters(model.parameters.flat)
    workers = Workers(model, threads)
    prepared = [Batch(source, target, real_tokens(target, config)) for source, target in batches]

    def step(number: int) -> float:
        [result] = workers.step(
            adam, [prepared[number]], rate=RATE, seed=(0, adam.step), label_smoothing=LABEL_SMOOTHING
        )
        return result.loss

    a, b = np.random.default_rng(0).random((2, MATRIX, MATRIX), dtype=np.float32)

    def product() -> None:
        workers.close()  # BLAS has its own threads again
        np.matmul(a, b)

    return step, model.parameters.flat.size, product
