"""Where the files of a training run stand. Anyone may look them up here; only training writes them.

    config.json                             the run's options and the model's configuration
    tokenizer.json                          the learned BPE
    words.txt                               every word of the source sentences it learned from (data/known_words.py)
    features.json  sample.wav               how a model hears (data/sound/features.py); a sound to try it with
    checkpoints/step-00001000.safetensors   weights after an evaluation; the last ones are kept, for the average
    checkpoints/best.safetensors            weights with the lowest validation loss so far
    checkpoints/averaged.safetensors        the mean of the last checkpoints, if that is better than the best one
    checkpoints/training.safetensors        weights, both Adam moments and the progress: what --resume needs
    shortlist.safetensors                   which tokens translate which (python -m numpy_transformer.shortlist)
    log.jsonl  curves.png  samples.txt      one record a line; the same as a picture; translations along the way
    model.safetensors                       instead of all checkpoints, in a folder that was exported (--to int8)

Every file but the log and the samples is replaced in one piece, so a file that exists is whole.
"""

import json
import re
from pathlib import Path
from typing import Any

import bpe
from numpy_transformer.errors import InputError
from numpy_transformer.storage.shipped import shipped_model
from numpy_transformer.storage.text_files import read_json

TRAINING_FILE = "training.safetensors"
DEFAULT_KIND = "encoder-decoder"
STEP_FILE = re.compile(r"step-(\d{8,})\.safetensors")


class RunFiles:
    """The files of the run at `path`. Nothing is read or made until it is asked for."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.tokenizer_file = self.path / "tokenizer.json"
        self.words_file = self.path / "words.txt"
        self.features_file = self.path / "features.json"
        self.sample_file = self.path / "sample.wav"
        self.checkpoints = self.path / "checkpoints"
        self.best_file = self.checkpoints / "best.safetensors"
        self.averaged_file = self.checkpoints / "averaged.safetensors"
        self.training_file = self.checkpoints / TRAINING_FILE
        self.model_file = self.path / "model.safetensors"
        self.shortlist_file = self.path / "shortlist.safetensors"
        self.log_file = self.path / "log.jsonl"
        self.curves_file = self.path / "curves.png"
        self.samples_file = self.path / "samples.txt"

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self.config_file.exists() or self.checkpoints.exists()

    def step_file(self, step: int) -> Path:
        """Where the checkpoint of `step` stands, if it is kept."""
        return self.checkpoints / f"step-{step:08d}.safetensors"

    def step_files(self) -> list[Path]:
        """The kept checkpoints in the order of their steps."""
        return [path for _, path in self.numbered_step_files()]

    def numbered_step_files(self) -> list[tuple[int, Path]]:
        """(step, file) of the kept checkpoints, in order."""
        files = [(STEP_FILE.fullmatch(path.name), path) for path in self.checkpoints.glob("*")]
        return sorted((int(match[1]), path) for match, path in files if match)

    def checkpoint_to_translate_with(self) -> Path:
        """The averaged checkpoint if there is one, else the best, else the newest, else the exported model.

        Raises InputError if the folder has none.
        """
        for checkpoint in (self.averaged_file, self.best_file, *reversed(self.step_files()), self.model_file):
            if checkpoint.is_file():
                return checkpoint
        raise InputError(f"{self.path}: holds no checkpoint: name a run folder with checkpoints/, or train a model")

    def description(self) -> dict[str, Any]:
        """What config.json says, for those who can do without it: nothing if it is missing or damaged.

        "options" hold the languages, source and target. A shipped model's folder also has "about", what it is good
        for; and "sentences", true if it learned from single sentences and longer texts should be split into them.
        """
        try:
            return read_json(self.config_file)
        except InputError:
            return {}

    def languages(self) -> dict[str, str]:
        """{"source": "en", "target": "de"}, as far as config.json says so."""
        options = self.description().get("options")
        known = options if isinstance(options, dict) else {}
        return {name: str(known[name]) for name in ("source", "target") if name in known}

    def read_tokenizer(self) -> bpe.Tokenizer:
        """The run's tokenizer. Raises InputError or bpe.TokenizerError naming the file."""
        file = self.tokenizer_file
        if not file.exists():
            raise InputError(f"{file} is missing; the run cannot be used without the tokenizer it began with")
        return bpe.Tokenizer.load(file)


def run_of(path: str | Path) -> RunFiles:
    """The files of a run folder, of the run that a checkpoint file belongs to, or of a shipped model by its name."""
    path = shipped_model(path) or Path(path)
    if path.is_dir():
        return RunFiles(path)
    folder = path.absolute().parent
    return RunFiles(folder.parent if folder.name == "checkpoints" else folder)


def new_run_path(parent: Path, name: str) -> Path:
    """parent/name, or parent/name-2, -3 ... if that is taken."""
    path, number = parent / name, 2
    while path.exists():
        path, number = parent / f"{name}-{number}", number + 1
    return path


def run_name(data: str) -> str:
    """A folder name for a corpus: phrasebook, multi30k, the file's or folder's own name, of several files the first's.

    >>> run_name("texts/europarl.tsv,texts/news.tsv.gz")
    'europarl'
    """
    return Path(data.split(",")[0]).name.split(".")[0] or "run"


def kind_of_run(run: Path) -> str:
    """What its config.json says; an older run says nothing and is of an encoder-decoder."""
    try:
        options = json.loads((run / "config.json").read_text(encoding="utf-8"))["options"]
        return "parser" if options.get("task") == "parse" else str(options.get("model", DEFAULT_KIND))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return DEFAULT_KIND


def runs_in(parent: Path, *, with_model: bool, kind: str | None = None) -> list[Path]:
    """The runs in `parent`, the one that was written to last first.

    `with_model` asks for runs that have a model to use; else for those that can be resumed. `kind` asks for one kind of
    model: "encoder-decoder", "parser", "decoder", "encoder" or "sound".
    """
    written = [
        (file.stat().st_mtime_ns, file.parent.parent)
        for file in parent.glob("*/checkpoints/*.safetensors")
        if (file.name != TRAINING_FILE) == with_model and kind in (None, kind_of_run(file.parent.parent))
    ]
    return list(dict.fromkeys(run for _, run in sorted(written, reverse=True)))
