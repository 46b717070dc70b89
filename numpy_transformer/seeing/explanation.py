"""What `Translator.explain` returns: a translation, the search that found it, and the attention behind it."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from numpy_transformer.decoding.attention_maps import AttentionMaps
from numpy_transformer.seeing.drawing import save_attention
from numpy_transformer.seeing.explain import story_lines
from numpy_transformer.seeing.story import Story


class Explanation:
    """A translation seen from inside. Printed, it tells the search step by step, as `--explain` does.

    text, translation: what was translated, and the best translation.
    story: the search, with every number (seeing/story.py).
    attention: the weights of every layer and head, with the tokens (decoding/attention_maps.py); computed when asked.
    """

    def __init__(self, text: str, translation: str, story: Story, attend: Callable[[], AttentionMaps]) -> None:
        self.text, self.translation, self.story = text, translation, story
        self._attend = attend

    @cached_property
    def attention(self) -> AttentionMaps:
        return self._attend()

    def save(self, path: str | Path) -> None:
        """Write what `--attention` writes: NAME.html, a page to explore, or NAME.png, a picture of all heads.

        Raises InputError for another ending, for a text or translation of more than 256 tokens, or if the file cannot
        be written.
        """
        save_attention(path, text=self.text, translation=self.translation, maps=self.attention, story=self.story)

    def __str__(self) -> str:
        return "\n".join(line for line, _ in story_lines(self.story))

    def __repr__(self) -> str:
        steps = len(self.story.chapters)
        return f"<Explanation of {self.translation!r}: {steps} steps of a beam of {self.story.beam}>"
