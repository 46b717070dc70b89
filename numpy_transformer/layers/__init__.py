"""The layers of the paper: each a forward with its backward below it, derived at the top of its file. In reading order:

    linear.py                 the contract of all layers: forward, what it keeps, backward
    softmax.py                a derivative without a Jacobian
    layer_norm.py             mean and variance, and the way back through both
    attention.py              the heart of the paper
    multi_head_attention.py   heads side by side; self-attention and cross-attention
    activation.py             ReLU; swish; GELU, exact and with tanh
    feed_forward.py           linear, ReLU, linear
    embedding.py              rows of a table, and the sinusoids of their positions
    learned_positions.py      a vector for each position instead of the sinusoids
    dropout.py                a mask, kept for the way back
    residual.py               x + Dropout(Sublayer(x)) and the norm, around any sub-layer
    cross_entropy.py          label-smoothed loss
    output_loss.py            logits and loss, chunk by chunk
    consistency.py            two passes of other dropout masks must agree
    blocked_attention.py      the same for long sentences, in little memory
    position_table.py         the sinusoids, made once
    normal_distribution.py    density and cumulative probability, for GELU
    arithmetic.py             matmul, row_sum, row_dot: the vocabulary of all formulas
    parameters.py             one flat buffer, a tree of views

The last lines let fused kernels take over on a GPU (backend/gpu_twins.py). They stand here, and the files come in the
order in which they import each other, so that no layer file needs to know.
"""

from importlib import import_module

from numpy_transformer.backend.gpu_twins import give_way

for _file in (
    "arithmetic",
    "linear",
    "softmax",
    "layer_norm",
    "dropout",
    "attention",
    "blocked_attention",
    "multi_head_attention",
    "normal_distribution",
    "activation",
    "feed_forward",
    "embedding",
    "learned_positions",
    "residual",
    "cross_entropy",
    "output_loss",
    "consistency",
):
    give_way(import_module(f"{__name__}.{_file}"))
