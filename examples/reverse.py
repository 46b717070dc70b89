"""Learn to write digits backwards: the whole of training on one screen, in a few seconds.

    python -m examples.reverse

3 1 4 1 becomes 1 4 1 3. Nothing tells the model what "backwards" means; it sees examples, is told how wrong it was, and
changes its parameters a little. The four lines that do it are the four lines of every training loop: make a batch,
compute the loss and its gradient, choose the learning rate, update. `nt.train` and train.py do the same and add what
lasts: text files, evaluation, checkpoints, threads.
"""

import numpy as np

import numpy_transformer as nt

STEPS = 300
LENGTH = 8  # digits
PAD, BOS, EOS = 0, 1, 2  # then the ten digits: 3 to 12


def draw_batch(rng: np.random.Generator, sentences: int) -> tuple[np.ndarray, np.ndarray]:
    """source (B, LENGTH + 1): digits, eos. target (B, LENGTH + 2): bos, the digits backwards, eos."""
    digits = rng.integers(3, 13, (sentences, LENGTH))
    column = np.ones((sentences, 1), dtype=int)
    return np.hstack([digits, EOS * column]), np.hstack([BOS * column, digits[:, ::-1], EOS * column])


def write(model: nt.Transformer, source: np.ndarray) -> np.ndarray:
    """Greedy search: append the most probable next token, again and again. (B, S) -> (B, LENGTH)."""
    target = np.full((len(source), 1), BOS)
    for _ in range(LENGTH):
        best = model.logits(source, target)[:, -1].argmax(axis=-1)
        target = np.hstack([target, best[:, None]])
    return target[:, 1:]


def learn(*, seed: int = 0) -> nt.Transformer:
    """A small Transformer that has seen 64 random examples a step."""
    config = nt.TransformerConfig(
        vocabulary_size=13, encoder_layers=1, decoder_layers=1, d_model=64, d_ff=128, heads=4, dropout=0.0
    )
    model = nt.Transformer(config, seed=seed)
    adam = nt.Adam.for_parameters(model.parameters.flat)
    rng = np.random.default_rng(seed)
    for step in range(1, STEPS + 1):
        source, target = draw_batch(rng, 64)
        loss, gradients = model.loss_and_gradients(source, target, label_smoothing=0.0)
        rate = nt.learning_rate(step, d_model=config.d_model, warmup=STEPS // 4, scale=0.5)
        adam.update(model.parameters.flat, gradients.flat, rate=rate)
        if step % 50 == 0:
            print(f"step {step:4}: loss {loss:.3f}")
    return model


def main() -> None:
    """Learn, then show some sequences that the model has never seen."""
    model = learn()
    source, target = draw_batch(np.random.default_rng(1), 200)
    written = write(model, source)
    right = (written == target[:, 1:-1]).all(axis=1)
    for digits, backwards in zip(source[:3, :-1] - 3, written[:3] - 3, strict=True):
        print(*digits, "->", *backwards)
    print(f"{right.mean():.0%} of {len(right)} new sequences are right")


if __name__ == "__main__":
    main()
