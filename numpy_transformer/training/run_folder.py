"""The folder of one training run: what stands where, and how it is written so that nothing is ever lost.

    config.json                             the run's options and the model's configuration
    tokenizer.json                          the learned BPE
    checkpoints/step-00001000.safetensors   weights after an evaluation; the last ones are kept, for the average
    checkpoints/best.safetensors            weights with the lowest validation loss so far
    checkpoints/averaged.safetensors        the mean of the last checkpoints, if that is better than the best one
    checkpoints/training.safetensors        weights, both Adam moments and the progress: what --resume needs
    shortlist.safetensors                   which tokens translate which (python -m numpy_transformer.shortlist)
    log.jsonl  curves.png  samples.txt      one record a line; the same as a picture; translations along the way

Every file but the log and the samples is replaced in one piece, so a file that exists is whole.
"""

import dataclasses
import errno
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpe
from numpy_transformer.backend.arrays import array_module, to_host
from numpy_transformer.errors import InputError
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.atomic import atomic_write, remove_leftovers
from numpy_transformer.storage.tensors import load_tensors, save_tensors
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions, options_from_dict, read_json

TRAINING_FILE = "training.safetensors"
SAMPLE_TITLE = re.compile(r"step (\d+)\n")
STEP_FILE = re.compile(r"step-(\d{8,})\.safetensors")


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0  # updates
    evaluated_step: int = 0  # the last one that was evaluated
    seconds: float = 0.0  # of training, over all its sittings
    best_loss: float | None = None  # lowest validation loss, nats a token
    best_step: int = 0
    evaluations_since_best: int = 0


class RunFolder:
    """The files of the run at `path`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.tokenizer = self.path / "tokenizer.json"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best.safetensors"
        self.averaged = self.checkpoints / "averaged.safetensors"
        self.training = self.checkpoints / TRAINING_FILE
        self.shortlist = self.path / "shortlist.safetensors"
        self.log = self.path / "log.jsonl"
        self.curves = self.path / "curves.png"
        self.samples = self.path / "samples.txt"

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self.config.exists() or self.checkpoints.exists()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Make the folder, if need be, and keep it for this process; if nothing was written it is gone again.

        What a killed process left unfinished is removed. Raises InputError if the folder cannot be written to, or
        another process is training in it.
        """
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise InputError(
                f"--run {self.path}: cannot be written to ({error.strerror}); name another folder"
            ) from None
        try:
            with _locked(self.path):
                for folder in (self.path, self.checkpoints):
                    remove_leftovers(folder)
                yield
        finally:
            with suppress(OSError):  # ends at the first that holds something
                for folder in made:
                    folder.rmdir()

    def write_config(self, options: TrainingOptions, config: TransformerConfig) -> None:
        """Record what the run is."""
        record = {"options": options.to_dict(), "model": json.loads(config.to_json())}
        write_text(self.config, json.dumps(record, indent=2) + "\n")

    def read_options(self) -> TrainingOptions:
        """The options the run was begun with. Raises InputError if there is no run or its config.json is damaged."""
        if not self.config.exists():
            raise InputError(f"{self.path} holds no run (no {self.config.name}): check the name, or begin a run")
        return options_from_dict(read_json(self.config).get("options"), self.config)

    def read_tokenizer(self) -> bpe.Tokenizer:
        """The run's tokenizer. Raises InputError or bpe.TokenizerError naming the file."""
        if not self.tokenizer.exists():
            raise InputError(f"{self.tokenizer} is missing; the run cannot be used without the tokenizer it began with")
        return bpe.Tokenizer.load(self.tokenizer)

    def save_training(self, model: Transformer, adam: Adam, progress: Progress, digests: Mapping[str, str]) -> None:
        """Everything that --resume needs, in one file. `digests` names what the run depends on: tokenizer, text."""
        tensors = dict(_host_tree(model).named())
        tensors["adam.first_moment"] = to_host(adam.first_moment)
        tensors["adam.second_moment"] = to_host(adam.second_moment)
        metadata = {
            "config": model.config.to_json(),
            "progress": json.dumps(dataclasses.asdict(progress)),
            "adam_step": str(adam.step),
            "digests": json.dumps(dict(digests)),
        }
        save_tensors(self.training, tensors, metadata)

    def load_training(self, model: Transformer, adam: Adam, digests: Mapping[str, str]) -> Progress:
        """Put model and optimizer back where `save_training` found them, or leave them at step 0 if nothing was saved.

        Raises InputError if they do not fit, or the state is missing beside checkpoints that were made with it.
        """
        if not self.training.exists():
            if next(self.checkpoints.glob("*.safetensors"), None) is not None:
                raise InputError(
                    f"{self.training} is missing, so the run cannot go on from its other checkpoints; "
                    "restore it, or begin another run"
                )
            return Progress()
        tensors, metadata = load_tensors(self.training)
        try:
            progress = Progress(**json.loads(metadata["progress"]))
            adam_step, saved_digests = int(metadata["adam_step"]), json.loads(metadata["digests"])
            moments = tensors["adam.first_moment"], tensors["adam.second_moment"]
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{self.training} is not the state of a training run; name another run") from None
        for name, digest in digests.items():
            if saved_digests.get(name) != digest:
                raise InputError(
                    f"{self.path}: the {name} is not the one this run began with; restore it, or begin another run"
                )
        if metadata.get("config") != model.config.to_json() or moments[0].shape != adam.first_moment.shape:
            raise InputError(f"{self.training} is of another model than {self.config}; restore the one that fits")
        model.assign(tensors, self.training)
        xp = array_module(adam.first_moment)
        adam.first_moment[...] = xp.asarray(moments[0])
        adam.second_moment[...] = xp.asarray(moments[1])
        adam.step = adam_step
        return progress

    def step_files(self) -> list[Path]:
        """The kept checkpoints in the order of their steps."""
        return [path for _, path in self._numbered_step_files()]

    def _numbered_step_files(self) -> list[tuple[int, Path]]:
        files = [(STEP_FILE.fullmatch(path.name), path) for path in self.checkpoints.glob("*")]
        return sorted((int(match[1]), path) for match, path in files if match)

    def save_step(self, model: Transformer, step: int, *, keep: int) -> None:
        """Write the weights of `step`; of the older ones only the last `keep` in all stay."""
        model.save(self.checkpoints / f"step-{step:08d}.safetensors")
        for path in self.step_files()[:-keep]:
            path.unlink(missing_ok=True)

    def average(self, count: int, *, device: str) -> tuple[Transformer, int]:
        """The mean of the last `count` checkpoints (section 6.1), and how many there were."""
        files = self.step_files()[-count:]
        mean = Transformer.load(files[0], device=device)
        total = mean.parameters.flat.astype("float64")
        for path in files[1:]:
            total += Transformer.load(path, device=device).parameters.flat
        mean.parameters.flat[...] = total / len(files)
        return mean, len(files)

    def append_log(self, record: dict[str, Any]) -> None:
        """One more line of log.jsonl."""
        plain = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in record.items()}
        _append(self.log, json.dumps(plain) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """The records so far; a line cut short by a crash is left out."""
        if not self.log.exists():
            return []
        records = []
        for line in self.log.read_bytes().split(b"\n"):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                records.append(record)
        return records

    def rewind(self, step: int) -> None:
        """Drop checkpoints and what log and samples say of after `step`: the resumed run will write it again."""
        for number, path in self._numbered_step_files():
            if number > step:
                path.unlink(missing_ok=True)
        records = [r for r in self.read_log() if r.get("step", 0) <= step and r.get("kind") != "test"]
        write_text(self.log, "".join(json.dumps(record) + "\n" for record in records))
        if self.samples.exists():
            # A full disk may have cut the last block anywhere.
            blocks = self.samples.read_text(encoding="utf-8", errors="replace").split("\n\n")
            kept = [b for b in blocks if (title := SAMPLE_TITLE.match(b)) and int(title[1]) <= step]
            write_text(self.samples, "".join(block + "\n\n" for block in kept))

    def append_samples(self, title: str, lines: Sequence[str]) -> None:
        """One more block of sample translations."""
        _append(self.samples, "\n".join([title, *lines, "", ""]))


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one piece."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def _append(path: Path, text: str) -> None:
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}): check the space left, then go on with --resume"
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which ends with the process at the latest. Raises InputError if another holds it."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"{folder}: another process is training in it; wait for its end, or name another folder with --run"
                ) from None
        yield
    finally:
        os.close(descriptor)


def new_run_path(parent: Path, name: str) -> Path:
    """parent/name, or parent/name-2, -3 ... if that is taken."""
    path, number = parent / name, 2
    while path.exists():
        path, number = parent / f"{name}-{number}", number + 1
    return path


def run_name(data: str) -> str:
    """A folder name for a corpus: phrasebook, multi30k, or the file's or folder's own name."""
    return Path(data).name.split(".")[0] or "run"


def latest_run(parent: Path, *, with_model: bool) -> Path | None:
    """The run in `parent` that was written to last; None if there is none.

    `with_model` asks for a run that has a model to translate with; else for one that can be resumed.
    """
    written = [
        (file.stat().st_mtime_ns, file.parent.parent)
        for file in parent.glob("*/checkpoints/*.safetensors")
        if (file.name != TRAINING_FILE) == with_model
    ]
    return max(written)[1] if written else None


def _host_tree(model: Transformer) -> Parameters:
    return Parameters.view(to_host(model.parameters.flat), model.parameters.tree)
