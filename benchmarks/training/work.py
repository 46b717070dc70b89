"""The work of one step that all sides of training_step.py do: the batches, and how many operations they take."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.training.costs import StepSize, step_flops

LABEL_SMOOTHING, RATE = 0.1, 1e-4
Batches = Sequence[tuple[np.ndarray, np.ndarray]]  # source (B, S), target (B, 1 + T)


def save_batches(path: Path, options: argparse.Namespace) -> None:
    """Random ids of one length, or four batches of Multi30k at the middle of each quarter of its lengths."""
    config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
    batches = (
        multi30k_batches(config, options.tokens)
        if options.multi30k
        else [random_batch(config, options.tokens // options.length, options.length)]
    )
    np.savez(path, *(side for batch in batches for side in batch))


def load_batches(path: Path) -> Batches:
    """What `save_batches` wrote."""
    with np.load(path) as file:
        arrays = [file[name] for name in file.files]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def random_batch(config: TransformerConfig, sentences: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Random ids: source (B, length), target (B, 1 + length)."""
    source, target = np.random.default_rng(0).integers(3, config.vocabulary_size, (2, sentences, length))
    source[:, -1] = target[:, -1] = config.eos_id
    return source, np.insert(target, 0, config.bos_id, axis=1)


def multi30k_batches(config: TransformerConfig, batch_tokens: int, count: int = 4) -> Batches:
    """Real sentences, as the trainer batches them."""
    import bpe
    from numpy_transformer.data.batching import EncodedText, epoch_batches
    from numpy_transformer.data.corpora import load_corpus

    train = load_corpus("multi30k").train
    tokenizer = bpe.train([*train.sources, *train.targets], vocabulary_size=config.vocabulary_size)
    text = EncodedText.from_ids(tokenizer.encode_batch(train.sources), tokenizer.encode_batch(train.targets), config)
    sorted_batches = epoch_batches(text, batch_tokens, seed=None)
    chosen = [sorted_batches[(2 * i + 1) * len(sorted_batches) // (2 * count)] for i in range(count)]
    return [text.batch(indices, config.pad_id)[:2] for indices in chosen]


def real_tokens(target: np.ndarray, config: TransformerConfig) -> int:
    """Target tokens to predict: all but bos and padding."""
    return int((target[:, 1:] != config.pad_id).sum())


def model_flops(config: TransformerConfig, source: np.ndarray, target: np.ndarray) -> int:
    """Operations of one step on a batch (training/costs.py), without the logits of padding, which nobody needs."""
    (B, S), T = source.shape, target.shape[1] - 1
    padding = B * T - real_tokens(target, config)
    return step_flops(config, StepSize(B, S, T)) - 6 * padding * config.d_model * config.vocabulary_size
