"""A small random translator, and the inside of one of its translations."""

from typing import NamedTuple

import numpy as np

import bpe
import numpy_transformer as nt
from numpy_transformer.decoding.attention_maps import AttentionMaps
from numpy_transformer.decoding.recorder import BeamRecorder
from numpy_transformer.seeing.story import Story, tell
from numpy_transformer.translation.hypothesis import Hypothesis
from numpy_transformer.translation.translator import Translator

LINES = ["the dog runs home", "a cat sees the dog", "we see a house", "the house sees us", "dogs run"] * 4


class Seen(NamedTuple):
    found: list[Hypothesis]
    maps: AttentionMaps
    story: Story


def random_translator(seed: int = 0) -> Translator:
    """With one encoder layer and two decoder layers of two heads; it ends its sentences now and then."""
    tokenizer = bpe.train(LINES, vocabulary_size=275)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=2, d_model=16, d_ff=24, heads=2
    )
    model = nt.Transformer(config, seed=seed)
    model.parameters.flat[...] += np.random.default_rng(seed).normal(size=model.parameters.flat.shape) * 0.3
    model.parameters.tree.embedding.weight[config.eos_id] *= 1.5
    return Translator(model, tokenizer)


def seen(
    translator: Translator, text: str, *, beam: int = 4, alpha: float = 0.6, n_best: int = 1, coverage: float = 0.0
) -> Seen:
    """The translation of a text, its attention and the story of its search."""
    recorder = BeamRecorder()
    [found] = translator.hypotheses([text], beam=beam, alpha=alpha, n_best=n_best, coverage=coverage, recorder=recorder)
    story = tell(recorder, translator.tokenizer, alpha=alpha, n_best=n_best)
    return Seen(found, translator.attention(text, found[0].ids), story)
