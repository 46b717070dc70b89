"""Which batch of an epoch needs most memory, from the lengths of its texts alone."""

from collections.abc import Sequence

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.models.config import TransformerConfig


def largest_part(parts: Sequence[Array], lengths: Sequence[Array], config: TransformerConfig) -> int:
    """The number of the batch that holds most: vectors for its padded positions, and scores between them.

    `parts` are the texts of each batch, `lengths` (N,) the positions of each text, for each side.
    """

    def numbers(part: Array) -> int:
        sides = [int(side[part].max()) for side in lengths]
        of_position = 8 * config.d_model + 2 * config.d_ff + config.heads * max(sides)  # of one layer, about
        return len(part) * sum(sides) * of_position

    return int(np.argmax([numbers(part) for part in parts]))
