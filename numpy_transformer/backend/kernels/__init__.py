"""Fused kernels for a GPU: twins of layer functions, which register themselves when this package is imported.

Each file is named as its layer, its functions as the layer's, and its CUDA text stands beside it.
"""

from numpy_transformer.backend.kernels import (  # noqa: F401  (importing registers)
    arithmetic,
    attention,
    cross_entropy,
    dropout,
    embedding,
    feed_forward,
    layer_norm,
    linear,
    output_loss,
    residual,
    softmax,
)
