"""The Transformer of "Attention Is All You Need" in NumPy, with every derivative written by hand.

>>> import numpy_transformer as nt
>>> config = nt.TransformerConfig.preset("tiny", vocabulary_size=8000)
>>> model = nt.Transformer(config, seed=0)
>>> model.parameters.flat.size
2348288
"""

from bpe import __version__
from numpy_transformer.commands.train_function import TrainingRun, train
from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.decoding.token_by_token import Sampling
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.models.encoder_only import Encoder
from numpy_transformer.models.sound_transformer import SoundTransformer
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.schedule import learning_rate
from numpy_transformer.translation.hypothesis import Hypothesis
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.translator import Translator

__all__ = [
    "Adam",
    "Constraints",
    "Encoder",
    "Hypothesis",
    "InputError",
    "LanguageModel",
    "Sampling",
    "SearchOptions",
    "SoundTransformer",
    "TrainingOptions",
    "TrainingRun",
    "Transformer",
    "TransformerConfig",
    "Translator",
    "__version__",
    "learning_rate",
    "train",
]
