"""Attention as a file: a picture of all heads, or a page to explore."""

from pathlib import Path

from numpy_transformer.decoding.attention_maps import AttentionMaps, StackMaps
from numpy_transformer.errors import InputError
from numpy_transformer.seeing.kinds import kinds_of
from numpy_transformer.seeing.page import page
from numpy_transformer.seeing.picture import save_picture
from numpy_transformer.seeing.story import Story
from numpy_transformer.seeing.view import view
from numpy_transformer.storage.atomic import atomic_write

FORMATS = (".png", ".html")
MOST_TOKENS = 256  # of the source or of the translation; a larger picture would be unreadable


def check_format(path: str | Path) -> None:
    """Raises InputError unless `path` ends with .png or .html."""
    if Path(path).suffix.lower() not in FORMATS:
        raise InputError(f"{path}: attention is drawn as .png or .html: give a name that ends with one of these")


def check_length(maps: AttentionMaps | StackMaps) -> None:
    """Raises InputError for a text that is too long to draw."""
    tokens = len(maps.tokens) if isinstance(maps, StackMaps) else max(len(maps.source), len(maps.target))
    if tokens > MOST_TOKENS:
        raise InputError(
            f"attention between {tokens:,} tokens cannot be drawn, only up to {MOST_TOKENS}: split the text"
        )


def save_attention(
    path: str | Path, *, text: str, translation: str, maps: AttentionMaps | StackMaps, story: Story | None = None
) -> None:
    """Write the attention maps in the format given by the name's ending; the file appears complete or not at all.

    A PNG shows every layer and head; an HTML page can be explored and, if there is one, shows the story of the search.
    Raises InputError for another ending, for a sentence that is too long, or if the file cannot be written.
    """
    check_format(path)
    check_length(maps)
    if Path(path).suffix.lower() == ".png":
        save_picture(path, kinds_of(maps), text=text, translation=translation)
        return
    with atomic_write(path) as file:
        file.write(page(view(text, translation, maps, story)).encode("utf-8"))
