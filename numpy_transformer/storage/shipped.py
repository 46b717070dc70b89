"""The models that come with the package: each is a model folder (run_files.py) in numpy_transformer/shipped/.

    model.safetensors  tokenizer.json  words.txt  config.json  samples.txt

docs/models.md is their model card, and says how the files are made again.
"""

from pathlib import Path

SHIPPED = Path(__file__).parents[1] / "shipped"
DEFAULT = "tatoeba"  # translates for those who have no run of their own yet


def shipped_model(name: object) -> Path | None:
    """The folder of the model that comes with the package under this name; None if there is none.

    The name is a str and nothing but the name: "./tatoeba", or a Path, is a folder of the user's.
    """
    if not isinstance(name, str) or not name.isidentifier():
        return None
    folder = SHIPPED / name
    return folder if (folder / "model.safetensors").is_file() else None


def is_shipped(path: Path) -> bool:
    """Whether a folder is one of those that come with the package."""
    return path.parent == SHIPPED
