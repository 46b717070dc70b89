"""The attention in one text as a file, for the programs that complete and read texts."""

import sys

from numpy_transformer.decoding.attention_maps import StackMaps
from numpy_transformer.seeing.drawing import save_attention


def draw_attention(file: str, maps: StackMaps, *, text: str, found: str) -> None:
    """Write the picture or page, and say so; `found` is what the model added to the text, or made of it.

    Raises InputError for a text that is too long to draw, or a file that cannot be written.
    """
    save_attention(file, text=text, translation=found, maps=maps)
    print(f"attention: {file}", file=sys.stderr)
