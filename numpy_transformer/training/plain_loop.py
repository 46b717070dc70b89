"""A whole training run on one screen. The trainer (trainer.py) makes the same updates, bit for bit.

What the trainer adds changes none of them: it watches, saves and resumes, and it shares the work among threads.
"""

from numpy_transformer.data.batching import EncodedText, epoch_batches
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.schedule import learning_rate


def train_plainly(
    model: Transformer,
    text: EncodedText,
    *,
    epochs: int,
    batch_tokens: int = 4096,
    warmup: int = 4000,
    rate_scale: float = 1.0,
    label_smoothing: float = 0.1,
    seed: int = 0,
) -> list[float]:
    """Train `model` on `text` for some epochs, in place. Returns the loss of each step.

    One step is one batch: the model translates it and is told how wrong it was (the loss), every parameter learns how
    it should change (its gradient), and Adam changes all of them a little.
    """
    adam = Adam.for_parameters(model.parameters.flat)
    losses: list[float] = []
    for epoch in range(epochs):
        for pairs in epoch_batches(text, batch_tokens, seed=seed, epoch=epoch):  # shuffled anew in each epoch
            batch = text.batch(pairs, model.config.pad_id)
            step = len(losses) + 1
            loss, gradients = model.loss_and_gradients(  # the forward, then the backward
                batch.source,
                batch.target,
                seed=(seed, step, 0, 0),  # draws the dropout masks: the step's first batch, the first worker
                label_smoothing=label_smoothing,
            )
            rate = learning_rate(step, d_model=model.config.d_model, warmup=warmup, scale=rate_scale)
            adam.update(model.parameters.flat, gradients.flat, rate=rate)
            losses.append(float(loss))
    return losses
