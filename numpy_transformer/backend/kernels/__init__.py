"""Fused kernels for a GPU: twins of layer functions, which register themselves when this package is imported.

Files and functions are named after the layer's; the CUDA source is beside each file.
"""

from numpy_transformer.backend.kernels import (  # noqa: F401  (importing registers)
    arithmetic,
    attention,
    dropout,
    embedding,
    feed_forward,
    layer_norm,
    linear,
    multi_head_attention,
    output_loss,
    output_projection,
    residual,
    softmax,
)
