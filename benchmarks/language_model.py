"""One training step of a language model in nanoGPT's setting for a CPU, ours beside PyTorch's, in one run.

    python -m benchmarks.language_model [--steps N] [--repeats N]

The model: 4 layers, 4 heads, width 128, inner width 512, context 64, batches of 12, no dropout, pre-norm, learned
positions, GELU with tanh, tied output. Each side runs in a process of its own, alternating; the median of the repeats
counts. A step is forward, backward and Adam. Memory is the peak less what the imported libraries take.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import libraries, machine, peak_memory

VOCABULARY, LAYERS, HEADS, WIDTH, INNER, CONTEXT, ROWS = 259, 4, 4, 128, 512, 64, 12
RATE = 1e-3


def draw_ids() -> np.ndarray:
    """A batch of blocks, each with the token after it."""
    return np.random.default_rng(0).integers(3, VOCABULARY, (ROWS, CONTEXT + 1))


def our_step() -> Callable[[], float]:
    """A function that makes one step and returns its loss."""
    import numpy_transformer as nt
    from numpy_transformer.data.text_batches import TextBatch
    from numpy_transformer.training.parallel import Workers, default_workers

    config = nt.TransformerConfig(
        vocabulary_size=VOCABULARY,
        decoder_layers=LAYERS,
        d_model=WIDTH,
        d_ff=INNER,
        heads=HEADS,
        dropout=0.0,
        norm="pre",
        positions="learned",
        context=CONTEXT,
        activation="gelu_tanh",
    )
    model = nt.LanguageModel(config)
    adam = nt.Adam.for_parameters(model.parameters.flat)
    workers = Workers(model, default_workers(ROWS * CONTEXT))
    ids = draw_ids()
    batch = TextBatch(ids, None, ROWS * CONTEXT)

    def step() -> float:
        [result] = workers.step(adam, [batch], rate=RATE, seed=None, label_smoothing=0.0)
        return result.loss

    return step


def torch_step() -> Callable[[], float]:
    """The same in PyTorch: nn.MultiheadAttention's fused attention in a block of its own, as nanoGPT writes it."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.query_key_value, self.output = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.hidden, self.projection = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            B, T, D = x.shape
            parts = self.query_key_value(self.norm_1(x)).view(B, T, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
            context = functional.scaled_dot_product_attention(*parts, is_causal=True)
            x = x + self.output(context.transpose(1, 2).reshape(B, T, D))
            return x + self.projection(functional.gelu(self.hidden(self.norm_2(x)), approximate="tanh"))

    table, positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
    for embedding in (table, positions):
        nn.init.normal_(embedding.weight, std=0.02)
    blocks = nn.Sequential(*(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH))
    parameters = [*table.parameters(), *positions.parameters(), *blocks.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=RATE, betas=(0.9, 0.98), eps=1e-9)
    ids = torch.tensor(draw_ids())

    def step() -> float:
        y = blocks(table(ids[:, :-1]) + positions(torch.arange(CONTEXT)))
        loss = functional.cross_entropy((y @ table.weight.T).reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


SIDES = {"ours": our_step, "torch": torch_step}


def measure(side: str, steps: int) -> dict[str, Any]:
    """Tokens per second, MB, the last loss, and the libraries of one side, in this process."""
    if side == "torch":
        import torch  # noqa: F401  (its own memory is no part of the model's)
    else:
        import numpy_transformer  # noqa: F401
    before = peak_memory() or 0
    step = SIDES[side]()
    for _ in range(3):
        step()
    started = time.perf_counter()
    for _ in range(steps):
        loss = step()
    seconds = time.perf_counter() - started
    used = (peak_memory() or 0) - before
    speed = steps * ROWS * CONTEXT / seconds
    return {"tokens_per_second": speed, "mb": used / 1e6, "loss": loss, "libraries": libraries()}


def main() -> None:
    """Alternate the sides and print the median of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--side", choices=SIDES, help="only this one, in this process, as JSON")
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options.steps)))
        return
    print(machine())
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for _ in range(options.repeats):
        for side, results in found.items():
            command = [sys.executable, "-m", "benchmarks.language_model", "--side", side, "--steps", str(options.steps)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                sys.exit(f"{side}: {(result.stderr.strip().splitlines() or ['failed'])[-1]}")
            results.append(json.loads(result.stdout))
    middle = {
        side: {name: statistics.median(one[name] for one in results) for name in ("tokens_per_second", "mb", "loss")}
        for side, results in found.items()
    }
    for side, figures in middle.items():
        print(f"{side:6} {found[side][0]['libraries']}")
        print(f"{side:6} {figures['tokens_per_second']:10,.0f} tokens/s {figures['mb']:8.0f} MB", end="")
        print(f"   loss {figures['loss']:.3f}")
    speed, memory = (middle["ours"][name] / middle["torch"][name] for name in ("tokens_per_second", "mb"))
    print(f"ours: {speed:.2f} times the tokens per second, {memory:.2f} times the memory")


if __name__ == "__main__":
    main()
