"""Sentence pairs become ids: those that are short enough, part by part."""

import pytest

from numpy_transformer.data.encoding import AT_ONCE, prepare_text
from numpy_transformer.data.files import ParallelText
from numpy_transformer.models.config import TransformerConfig

CONFIG = TransformerConfig.preset("tiny", vocabulary_size=300)  # bos is 1, eos 2


class OfCharacters:
    """One id for each character."""

    def __init__(self) -> None:
        self.most = 0

    def encode_batch(self, texts):
        self.most = max(self.most, len(texts))
        return [[ord(character) for character in text] for text in texts]


@pytest.mark.parametrize("longest", [1, 2, 3, 4])
def test_a_pair_is_kept_if_both_sides_are_short_enough(longest):
    pairs = [("aa", "b"), ("c", "ddd"), ("", "e"), ("fff", "gg"), ("h", "")]
    text = ParallelText([source for source, _ in pairs], [target for _, target in pairs])
    prepared = prepare_text(text, OfCharacters(), OfCharacters(), CONFIG, longest)
    kept = [pair for pair in pairs if max(map(len, pair)) <= longest]
    assert list(zip(prepared.text.sources, prepared.text.targets, strict=True)) == kept
    assert prepared.dropped == len(pairs) - len(kept)
    assert [ids.tolist() for ids in prepared.ids.sources] == [[*map(ord, source), 2] for source, _ in kept]
    assert [ids.tolist() for ids in prepared.ids.targets] == [[1, *map(ord, target), 2] for _, target in kept]


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_a_text_is_encoded_in_parts(count):
    """All lists of ids at once take much memory, and the garbage collector most of the time."""
    sentences = [f"{number}" for number in range(count)]
    encoder = OfCharacters()
    prepared = prepare_text(ParallelText(sentences, sentences), encoder, encoder, CONFIG, 10)
    assert encoder.most <= AT_ONCE
    assert prepared.dropped == 0
    assert ["".join(map(chr, ids[:-1])) for ids in prepared.ids.sources] == sentences
