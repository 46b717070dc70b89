"""Feature projection: what enters the encoder where the source is a sequence of vectors instead of tokens, as in sound.

A token picks a row of a table. A vector x_n of F measured numbers is in no table; a linear layer brings it to D
numbers, to which its position's sinusoids are added as for tokens (embedding.py).

    y_n = x_n W + b + encoding[t]

The vectors are of unit size (features.py), and so is x_n W for a Xavier-uniform W: it needs no factor sqrt(D).

Derivation. The encodings are constants, so the backward is the linear layer's, with dW summed over all positions of
all sounds. A padded position, x_n = 0, adds nothing to dW; its dy_n is 0 because no real position looks at it, so it
adds nothing to db either.
"""

from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers.embedding import positional_encoding_forward
from numpy_transformer.layers.linear import LinearParameters, linear_backward, linear_forward


def feature_projection_forward(x: Array, parameters: LinearParameters) -> Array:
    """y = x W + b + encodings. (B, S, F) -> (B, S, D). The backward needs x again and nothing else."""
    return positional_encoding_forward(linear_forward(x, parameters))


def feature_projection_backward(
    dy: Array, x: Array, parameters: LinearParameters, gradients: LinearParameters
) -> Array:
    """(B, S, D) -> dx (B, S, F); writes gradients.weight and gradients.bias."""
    return linear_backward(dy, x, parameters, gradients)
