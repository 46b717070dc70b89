"""class SoundTransformer: the encoder-decoder whose source is a sequence of feature vectors; its target is text."""

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, ids_to_device, to_device
from numpy_transformer.errors import InputError
from numpy_transformer.models.encoder_decoder import sound_transformer_spec
from numpy_transformer.models.model import check_rows, check_vectors
from numpy_transformer.models.transformer import Transformer


class SoundTransformer(Transformer):
    """A Transformer that hears. Methods and arguments are those of Transformer, but for the source.

    source (B, S, F) is an array of floating-point numbers, F the configuration's `source_features`. A position of
    padding is a vector of zeros; padding stands at the end.
    """

    kind = "sound"
    _spec = sound_transformer_spec

    def _to_device(self, source: Array, *ids: Array) -> list[Array]:
        flat = self.parameters.flat
        xp = array_module(flat)
        return [to_device(source.astype(flat.dtype), xp), *ids_to_device(xp, *ids)]

    def _checked(self, source: Array, target: Array) -> tuple[Array, Array]:
        source, target = np.asarray(source), np.asarray(target)
        check_vectors("source", source, self.config)
        check_rows("target", target, self.config)
        if len(source) != len(target):
            raise InputError(f"source has {len(source)} sounds, target {len(target)} texts")
        return source, target
