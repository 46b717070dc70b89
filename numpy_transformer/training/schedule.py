"""The learning rate over time: a linear warmup, then a decay with the inverse square root of the step (section 5.3)."""


def learning_rate(step: int, *, d_model: int, warmup: int, scale: float = 1.0) -> float:
    """scale * D^-0.5 * min(step^-0.5, step * warmup^-1.5), formula 3 of the paper; the first step is 1.

    The two branches meet at step = warmup, where the rate peaks at scale / sqrt(D * warmup).
    """
    return scale * d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
