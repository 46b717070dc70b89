"""What a translator is made of, read from a path: a model and its tokenizer, and the shortlist of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bpe import Tokenizer, TokenizerError
from numpy_transformer.data.tree_tokens import is_tokenizer_for_trees
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian import is_marian_folder, load_marian
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.run_files import RunFiles, run_of
from numpy_transformer.storage.shipped import is_shipped, shipped_model
from numpy_transformer.translation.fitting import check_same_tokenizer, check_tokenizer
from numpy_transformer.translation.token_ids import ModelTokenizer


class LoadedModel(NamedTuple):
    """A model and the tokenizer that it was trained with."""

    model: Transformer
    tokenizer: ModelTokenizer


def load_model(path: str | Path, *, device: str = "cpu") -> LoadedModel:
    """Open a run folder, a checkpoint, a Marian model's folder (formats/marian.py), or a shipped model by its name.

    A run folder gives its averaged checkpoint if there is one, else the best, else the newest. A checkpoint file's
    tokenizer may be in its folder or the one above. Raises InputError, or bpe.TokenizerError, naming the file and the
    remedy.
    """
    shipped = shipped_model(path)
    path = Path(path) if shipped is None else shipped
    if not is_shipped(path):
        return _load(path, device)
    try:
        return _load(path, device)
    except (InputError, TokenizerError) as error:
        raise InputError(
            f"the model {path.name}, which comes with the package, is not as it was made ({error}): "
            "install the package again"
        ) from None


def _load(path: Path, device: str) -> LoadedModel:
    if not path.exists():
        raise InputError(f"{path}: no such run folder or checkpoint: check the name, or train a model first")
    if is_marian_folder(path):
        loaded = LoadedModel(*load_marian(path, device=device))
        check_tokenizer(*loaded)
        return loaded
    checkpoint = RunFiles(path).checkpoint_to_translate_with() if path.is_dir() else path
    model = Transformer.load(checkpoint, device=device)
    checkpoint = checkpoint.absolute()
    for folder in (checkpoint.parent, checkpoint.parent.parent):
        tokenizer = load_tokenizer(folder, model.config)
        if tokenizer is not None:
            loaded = LoadedModel(model, tokenizer)
            if isinstance(tokenizer, Tokenizer) and is_tokenizer_for_trees(tokenizer):
                raise InputError(
                    f"{path}: is a parser, no translator: python -m numpy_transformer.parse --model {path}"
                )
            try:
                check_tokenizer(*loaded)
            except InputError as error:
                raise InputError(f"{folder / 'tokenizer.json'}: {error}") from None
            return loaded
    raise InputError(f"{checkpoint}: no tokenizer.json in its folder or the one above: copy it from the run")


def load_tokenizer(folder: Path, config: TransformerConfig | None) -> ModelTokenizer | None:
    """The tokenizer in a run's folder: tokenizer.json or, if the run went on from a Marian model, that model's files.

    Only a Marian model's needs the `config`. None if there is none. Raises InputError, or bpe.TokenizerError, naming
    the file and the remedy.
    """
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.load(folder / "tokenizer.json")
    if config is None or not (folder / "vocab.json").is_file():
        return None
    return MarianTokenizer.load(folder, config)


class LoadedModels(NamedTuple):
    """The models of an ensemble, and the one tokenizer that they share."""

    models: list[Transformer]
    tokenizer: ModelTokenizer
    sentences: bool  # whether they learned from single sentences, so that a paragraph should be split


def load_models(paths: Sequence[str | Path], *, device: str = "cpu") -> LoadedModels:
    """Open each model as `load_model` does.

    Raises InputError, naming the first that does not match, unless all have the same tokenizer.
    """
    if not paths:
        raise InputError("there is no model: name at least one")
    loaded = [load_model(path, device=device) for path in paths]
    tokenizer = loaded[0].tokenizer
    for path, other in zip(paths[1:], loaded[1:], strict=True):
        check_same_tokenizer(tokenizer, other.tokenizer, name=path)
    sentences = any(run_of(path).description().get("sentences") is True for path in paths)
    return LoadedModels([one.model for one in loaded], tokenizer, sentences)


def shortlist_of_run(path: str | Path, tokenizer: Tokenizer) -> Shortlist:
    """The shortlist of a run folder, or of the run that a checkpoint file belongs to.

    Raises InputError if the run has no shortlist for this tokenizer.
    """
    return Shortlist.load(run_of(path).shortlist_file, tokenizer=tokenizer.digest)
