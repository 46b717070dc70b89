"""Every kernel of the package at least once, in blocks of memory of their own: for compute-sanitizer.

    compute-sanitizer --tool memcheck --error-exitcode 9 python benchmarks/lease/each_kernel_once.py

CuPy's pool cuts arrays out of large blocks, so a write behind an array lands in memory that is the process's own, and
no checker objects. Without the pool each array is its own allocation. The sizes are odd, so that every tail is used.
"""

import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from training.work import LABEL_SMOOTHING, RATE, random_batch

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.data.batching import Batch
from numpy_transformer.decoding import beam_search
from numpy_transformer.decoding.continuation import complete
from numpy_transformer.errors import InputError
from numpy_transformer.layers.activation import ACTIVATIONS
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.optimizer import Adam

KERNEL = re.compile(r'extern "C" __global__ void (\w+)')


def main() -> None:
    try:
        xp = device_module("gpu")
    except InputError as error:
        sys.exit(str(error))
    if hasattr(xp.cuda, "set_allocator"):
        xp.cuda.set_allocator(None)
    used = launched_by(lambda: train_and_search(xp))
    kernels = {name for file in launcher.FOLDER.glob("*.cu") for name in KERNEL.findall(launcher.source(file.stem))}
    print(f"{len(used)} of {len(kernels)} kernels ran; not run: {', '.join(sorted(kernels - used)) or 'none'}")


def launched_by(work) -> set[str]:
    """The names of the kernels that `work` launches."""
    names: set[str] = set()
    original = launcher.Kernel.launch

    def launch(self, *arguments, **options):
        names.add(self.name)
        original(self, *arguments, **options)

    launcher.Kernel.launch = launch
    try:
        work()
    finally:
        launcher.Kernel.launch = original
    return names


def train_and_search(xp) -> None:
    """Steps of small models with and without dropout, clipping and pre-norm; then a beam search."""
    sizes = {"vocabulary_size": 97, "d_model": 36, "d_ff": 52, "heads": 3, "encoder_layers": 1, "decoder_layers": 1}
    for options in (
        {"dropout": 0.1},
        {"dropout": 0.1, "norm": "pre"},
        {"dropout": 0.0},
        *({"activation": name} for name in ACTIVATIONS),
    ):
        config = TransformerConfig(**sizes, **options)
        model = Transformer(config, seed=0, device="gpu")
        source, target = random_batch(config, 5, 7)
        source[1, 3:] = config.pad_id
        target[2, 4:] = config.pad_id
        adam, step = Adam.for_parameters(model.parameters.flat), GpuStep(model)
        batch = Batch(source, target, int((target[:, 1:] != config.pad_id).sum()))
        for number, clip in enumerate((None, 1.0)):
            how = {"rate": RATE, "seed": (0, number), "label_smoothing": LABEL_SMOOTHING, "clip": clip}
            step.step(adam, [batch, batch], **how)
        [*results] = step.collect()
        assert all(np.isfinite(result.loss) for result in results), results
        beam_search(model, source, limits=np.full(len(source), 6), beam=3, alpha=0.6)
    [*_] = complete(LanguageModel(config.replace(positions="learned", context=9), device="gpu"), [5, 6], 3)
    xp.cuda.Device().synchronize()


if __name__ == "__main__":
    main()
