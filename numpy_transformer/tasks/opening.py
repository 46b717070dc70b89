"""A model and its tokenizer: from a run folder, a checkpoint file, or a folder of GPT-2 or BERT."""

from pathlib import Path
from typing import Any, TypeVar

import bpe
from numpy_transformer.data.tree_tokens import is_tokenizer_for_trees
from numpy_transformer.errors import InputError
from numpy_transformer.formats.bert import is_bert_folder, load_bert
from numpy_transformer.formats.gpt2 import is_gpt2_folder, load_gpt2
from numpy_transformer.formats.wordpiece import WordPieceTokenizer
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.models.encoder_only import Encoder
from numpy_transformer.models.model import Model
from numpy_transformer.models.sound_transformer import SoundTransformer
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.run_files import RunFiles

AnyModel = TypeVar("AnyModel", bound=Model[Any])


def open_language_model(path: str | Path, *, device: str = "cpu") -> tuple[LanguageModel, Any]:
    """A LanguageModel and its tokenizer.

    Raises InputError, or bpe.TokenizerError, naming the file and the remedy.
    """
    if is_gpt2_folder(Path(path)):
        return load_gpt2(path, device=device)
    return _open_run(LanguageModel, path, device=device)


def open_encoder(path: str | Path, *, device: str = "cpu") -> tuple[Encoder, Any]:
    """An Encoder and its tokenizer; otherwise as `open_language_model`."""
    if is_bert_folder(Path(path)):
        return load_bert(path, device=device)
    return _open_run(Encoder, path, device=device)


def open_parser(path: str | Path, *, device: str = "cpu") -> tuple[Transformer, bpe.Tokenizer]:
    """A Transformer that learned trees, and its tokenizer; otherwise as `open_language_model`."""
    model, tokenizer = _open_run(Transformer, path, device=device)
    if not is_tokenizer_for_trees(tokenizer):
        raise InputError(f"{path}: is no parser: train one with python train.py --data phrasebook-trees")
    return model, tokenizer


def open_sound_model(path: str | Path, *, device: str = "cpu") -> tuple[SoundTransformer, bpe.Tokenizer]:
    """A SoundTransformer and its tokenizer; otherwise as `open_language_model`."""
    return _open_run(SoundTransformer, path, device=device)


def _open_run(kind: type[AnyModel], path: str | Path, *, device: str) -> tuple[AnyModel, Any]:
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such run folder or checkpoint: check the name, or train a model first")
    checkpoint = (RunFiles(path).checkpoint_to_translate_with() if path.is_dir() else path).absolute()
    model = kind.load(checkpoint, device=device)
    for folder in (checkpoint.parent, checkpoint.parent.parent):
        for file in (folder / "tokenizer.json", folder / "vocab.txt"):
            if not file.is_file():
                continue
            tokenizer = bpe.Tokenizer.load(file) if file.suffix == ".json" else WordPieceTokenizer.load(folder)
            known = model.tokenizer_digest
            if tokenizer.digest != known if known else len(tokenizer) != model.config.vocabulary_size:
                raise InputError(f"{file}: is not the tokenizer of {checkpoint}: copy it from the run")
            return model, tokenizer
    raise InputError(f"{checkpoint}: no tokenizer.json in its folder or the one above: copy it from the run")
