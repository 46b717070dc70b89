"""The folder of a training run, written so that nothing is ever lost. storage/run_files.py says what stands where."""

import dataclasses
import errno
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bpe.files import make_folder, remove_leftovers
from numpy_transformer.backend.arrays import array_module, to_host
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.model import Model
from numpy_transformer.storage.locks import locked_folder
from numpy_transformer.storage.run_files import RunFiles
from numpy_transformer.storage.tensors import load_tensors, save_tensors
from numpy_transformer.storage.text_files import append, read_json, synchronize, write_text
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions, options_from_dict

AnyModel = TypeVar("AnyModel", bound=Model[Any])

SAMPLE_TITLE = re.compile(r"step (\d+)\n")


@dataclass
class RecentSteps:
    """What the steps since the last record of the log add up to. A part of the state: a resumed log is the same."""

    loss: float = 0.0  # each step's, times its tokens
    tokens: int = 0
    gradient_norm: float = 0.0  # of the last step
    skipped: int = 0  # steps in a row, up to now; a new record does not end the row

    def restart(self) -> None:
        """Begin the sums of the next record."""
        self.loss, self.tokens = 0.0, 0


@dataclass
class RunProgress:
    """How far a run has come."""

    step: int = 0  # updates
    evaluated_step: int = 0  # the last one that was evaluated
    seconds: float = 0.0  # of training, over all its sittings
    best_loss: float | None = None  # lowest validation loss, nats a token
    best_step: int = 0
    evaluations_since_best: int = 0
    layout: str = ""  # how the work was divided; an older state does not say
    recent: RecentSteps = field(default_factory=RecentSteps)

    def evaluated(self, loss: float, seconds: float) -> bool:
        """Take note of an evaluation at this step. Returns whether its validation loss is the lowest so far."""
        self.evaluated_step, self.seconds = self.step, seconds
        if self.best_loss is None or loss < self.best_loss:
            self.best_loss, self.best_step, self.evaluations_since_best = loss, self.step, 0
            return True
        self.evaluations_since_best += 1
        return False


class RunFolder(RunFiles):
    """The files of a run, and how they are written: one process at a time, each file whole."""

    @contextmanager
    def claimed(self, *, new: bool = False) -> Iterator[None]:
        """Make the folder, if need be, and keep it for this process; if nothing was written it is gone again.

        What a killed process left unfinished is removed. Raises InputError if the folder cannot be written to, another
        process is training in it, or it is to be `new` and holds a run.
        """
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        with ExitStack() as stack:
            try:
                while not stack.enter_context(locked_folder(self.path, self._is_busy)):
                    make_folder(self.path)
                if not os.access(self.path, os.W_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            except OSError as error:
                raise InputError(
                    f"--run {self.path}: cannot be written to ({error.strerror}); name another folder"
                ) from None
            if new and self.exists():
                raise InputError(
                    f"--run {self.path} already holds a run; add --resume to go on with it, or name another folder"
                )
            try:
                for folder in (self.path, self.checkpoints):
                    remove_leftovers(folder)
                yield
            finally:  # only the process that holds the lock may do this
                with suppress(OSError):  # ends at the first that holds something
                    for folder in made:
                        folder.rmdir()

    def _is_busy(self) -> None:
        raise InputError(
            f"{self.path}: another process is training in it; wait for its end, or name another folder with --run"
        )

    def write_config(self, options: TrainingOptions, config: TransformerConfig) -> None:
        """Record what the run is."""
        record = {"options": options.to_dict(), "model": json.loads(config.to_json())}
        write_text(self.config_file, json.dumps(record, indent=2) + "\n")

    def read_options(self) -> TrainingOptions:
        """The options the run was begun with. Raises InputError if there is no run or its config.json is damaged."""
        if not self.config_file.exists():
            raise InputError(f"{self.path} holds no run (no {self.config_file.name}): check the name, or begin a run")
        return options_from_dict(read_json(self.config_file).get("options"), self.config_file)

    def read_model_config(self) -> TransformerConfig:
        """The configuration of the run's model. Raises InputError if config.json does not hold it."""
        try:
            return TransformerConfig.from_json(json.dumps(read_json(self.config_file).get("model")))
        except InputError as error:
            raise InputError(f"{self.config_file}: {error}") from None

    def save_training(self, model: Model[Any], adam: Adam, progress: RunProgress, digests: Mapping[str, str]) -> None:
        """Everything that --resume needs, in one file. `digests` names what the run depends on: tokenizer, text.

        Log and samples reach the disk first, so that after a power cut they are never behind the state.
        """
        for file in (self.log_file, self.samples_file):
            if file.exists():
                synchronize(file)
        tensors = model.host_tensors()
        tensors["adam.first_moment"] = to_host(adam.first_moment)
        tensors["adam.second_moment"] = to_host(adam.second_moment)
        metadata = {
            "config": model.config.to_json(),
            "model": model.kind,
            "progress": json.dumps(dataclasses.asdict(progress)),
            "adam_step": str(adam.step),
            "digests": json.dumps(dict(digests)),
        }
        save_tensors(self.training_file, tensors, metadata)

    def load_training(self, model: Model[Any], adam: Adam, digests: Mapping[str, str]) -> RunProgress:
        """Put model and optimizer back where `save_training` found them, or leave them at step 0 if nothing was saved.

        Raises InputError if they do not fit, or the state is missing beside checkpoints that were made with it.
        """
        if not self.training_file.exists():
            if next(self.checkpoints.glob("*.safetensors"), None) is not None:
                raise InputError(
                    f"{self.training_file} is missing, so the run cannot go on from its other checkpoints; "
                    "restore it, or begin another run"
                )
            return RunProgress()
        tensors, metadata = load_tensors(self.training_file)
        try:
            values = json.loads(metadata["progress"])
            recent = RecentSteps(**values.pop("recent", {}))  # older states have none: their next record is shorter
            progress = RunProgress(**values, recent=recent)
            adam_step, saved_digests = int(metadata["adam_step"]), json.loads(metadata["digests"])
            moments = tensors["adam.first_moment"], tensors["adam.second_moment"]
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            raise InputError(f"{self.training_file} is not the state of a training run; name another run") from None
        for name, digest in digests.items():
            if saved_digests.get(name, digest) != digest:  # older states lack some
                raise InputError(
                    f"{self.path}: the {name} is not the one this run began with; restore it, or begin another run"
                )
        if _config_of(metadata) != model.config or moments[0].shape != adam.first_moment.shape:
            raise InputError(
                f"{self.training_file} is of another model than {self.config_file}; restore the one that fits"
            )
        model.assign(tensors, self.training_file)
        xp = array_module(adam.first_moment)
        adam.first_moment[...] = xp.asarray(moments[0])
        adam.second_moment[...] = xp.asarray(moments[1])
        adam.step = adam_step
        return progress

    def save_step(self, model: Model[Any], step: int, *, keep: int) -> None:
        """Write the weights of `step`; of the older ones only the last `keep` in all stay."""
        model.save(self.step_file(step))
        for path in self.step_files()[:-keep]:
            path.unlink(missing_ok=True)

    def average(self, kind: type[AnyModel], count: int, *, device: str) -> tuple[AnyModel, int]:
        """The mean of the last `count` checkpoints (section 6.1), and how many there were."""
        files = self.step_files()[-count:]
        mean = kind.load(files[0], device=device)
        total = mean.parameters.flat.astype("float64")
        for path in files[1:]:
            total += kind.load(path, device=device).parameters.flat
        mean.parameters.flat[...] = total / len(files)
        return mean, len(files)

    def append_log(self, record: dict[str, Any]) -> None:
        """One more line of log.jsonl."""
        append(self.log_file, _line(record))

    def read_log(self) -> list[dict[str, Any]]:
        """The records so far; a line cut short by a crash is left out."""
        if not self.log_file.exists():
            return []
        records = []
        for line in self.log_file.read_bytes().split(b"\n"):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                records.append(record)
        return records

    def rewind(self, step: int) -> None:
        """Drop checkpoints and what log and samples say of after `step`: the resumed run will write it again."""
        for number, path in self.numbered_step_files():
            if number > step:
                path.unlink(missing_ok=True)

        def is_later(record: dict[str, Any]) -> bool:
            number = record.get("step")
            return isinstance(number, int | float) and number > step

        records = [record for record in self.read_log() if not is_later(record) and record.get("kind") != "test"]
        write_text(self.log_file, "".join(map(_line, records)))
        if self.samples_file.exists():
            # A full disk may have cut the last block anywhere.
            blocks = self.samples_file.read_bytes().decode(errors="replace").split("\n\n")
            kept = [b for b in blocks if (title := SAMPLE_TITLE.match(b)) and int(title[1]) <= step]
            write_text(self.samples_file, "".join(block + "\n\n" for block in kept))

    def append_samples(self, title: str, lines: Sequence[str]) -> None:
        """One more block of sample translations, one a line: line ends within them become spaces."""
        lines = [line.replace("\r", " ").replace("\n", " ") for line in lines]
        append(self.samples_file, "\n".join([title, *lines, "", ""]))


def _line(record: dict[str, Any]) -> str:
    """A line of log.jsonl. JSON has no infinity and no NaN; null stands for both."""
    plain = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in record.items()}
    return json.dumps(plain) + "\n"


def _config_of(metadata: Mapping[str, str]) -> TransformerConfig | None:
    """The configuration that was saved: fields that are newer than the file have their defaults."""
    return TransformerConfig.from_json(metadata["config"]) if "config" in metadata else None
