"""A model that hears: its searches find what the plain ones find, whatever else is in the batch."""

import numpy as np
import pytest

from numpy_transformer import InputError, SoundTransformer, TransformerConfig
from numpy_transformer.data.sound.features import FeatureSettings
from numpy_transformer.data.sound.known_sounds import tokenizer_for_sounds
from numpy_transformer.data.sound.tones import load_tones
from numpy_transformer.decoding.reference import plain_beam_search
from numpy_transformer.tasks.transcription import SPARE_TOKENS, Transcriber

SETTINGS = FeatureSettings(pitches=4, stacked=2, stride=2)


@pytest.fixture(scope="module")
def transcriber():
    tokenizer = tokenizer_for_sounds(load_tones(0), 271)
    config = TransformerConfig(
        vocabulary_size=len(tokenizer),
        encoder_layers=1,
        decoder_layers=2,
        d_model=8,
        d_ff=12,
        heads=2,
        source_features=SETTINGS.size,
    )
    model = SoundTransformer(config, seed=3, dtype="float64")
    model.parameters.flat[:] *= 2  # decided enough to end
    return Transcriber(model, tokenizer, SETTINGS)


def sounds(*lengths):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((length, SETTINGS.size)).astype(np.float32) for length in lengths]


class Listening:
    """A model as the plain search wants it, which knows ids only: its source is always this sound."""

    def __init__(self, model, features):
        self.config, self._model, self._features = model.config, model, features

    def logits(self, source, target_input):
        return self._model.logits(self._features[None], target_input)


@pytest.mark.parametrize("beam", [1, 3])
def test_it_finds_what_the_plain_search_finds(transcriber, beam):
    features = sounds(3, 7, 5)
    for packed in (False, True):
        if packed:
            transcriber.pack()
        found = transcriber.transcribe(features, beam=beam, alpha=0.6)
        for transcript, vectors in zip(found, features, strict=True):
            listening = Listening(transcriber.model, vectors)
            limit = len(vectors) + SPARE_TOKENS
            [(score, ids)] = plain_beam_search(listening, [0], limit=limit, beam=beam, alpha=0.6)
            assert transcript.ids == ids
            assert transcript.score == pytest.approx(score, rel=1e-9)


def test_many_sounds_are_found_as_one_alone(transcriber):
    features = sounds(*range(1, 71))  # more than are decoded at once
    together = transcriber.transcribe(features, beam=2)
    for number in (0, 12, 69):
        [alone] = transcriber.transcribe([features[number]], beam=2)
        assert alone.ids == together[number].ids


def test_attention_is_a_row_of_weights_for_each_token_and_eos(transcriber):
    [features] = sounds(6)
    weights = transcriber.attention(features, [5, 6])
    assert weights.shape == (3, 6)
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_settings_of_another_model_are_refused(transcriber):
    with pytest.raises(InputError, match="the model hears vectors of 8 numbers, not of 320"):
        Transcriber(transcriber.model, transcriber.tokenizer, FeatureSettings())


def test_forty_seconds_are_the_most():
    tokenizer = tokenizer_for_sounds(load_tones(0), 271)
    config = TransformerConfig(vocabulary_size=271, d_model=8, d_ff=8, heads=1, source_features=320)
    assert Transcriber(SoundTransformer(config), tokenizer, FeatureSettings()).longest == 40
