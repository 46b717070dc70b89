"""What every rank but rank 0 does: prepare the same text and model, then take part in each step until the run ends.

It writes nothing and prints nothing.
"""

import base64
import dataclasses
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.terminal.display import SilentDisplay
from numpy_transformer.training.distributed.agreement import OF_EACH_RANK, check_start, check_texts
from numpy_transformer.training.distributed.rank_steps import rank_steps
from numpy_transformer.training.distributed.ranks import Ranks
from numpy_transformer.training.freezing import frozen_names, frozen_slices
from numpy_transformer.training.interrupt import StopRequest
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import options_from_dict
from numpy_transformer.training.reporting import Report
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.task_choice import make_task
from numpy_transformer.training.texts import corpus_of
from numpy_transformer.translation.loading import load_tokenizer


def follow(ranks: Ranks, given: Mapping[str, Any]) -> None:
    """Take part in the run that rank 0 leads, to its end. `given` are the options on this rank's command line.

    Raises InputError if the text cannot be read, or is not rank 0's.
    """
    check_start(ranks, given)
    plan = ranks.broadcast(None)
    options = options_from_dict(plan["options"], "rank 0")
    own = {name: given.get(name, getattr(options, name)) for name in OF_EACH_RANK}
    options = dataclasses.replace(options, workers=own["workers"], data_dir=own["data_dir"])
    config = None if plan["config"] is None else TransformerConfig.from_json(plan["config"])
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(place)
        for name, content in plan["tokenizer"].items():
            with atomic_write(Path(place) / name) as file:
                file.write(base64.b64decode(content))
        tokenizer = load_tokenizer(folder.path, config)
        assert tokenizer is not None
        task = make_task(options, corpus_of(options), tokenizer, Report(options, folder, SilentDisplay()), config)
    model = task.make_model()
    adam = Adam.for_parameters(model.parameters.flat)
    check_texts(ranks, {"tokenizer": tokenizer.digest, **task.digests})
    begins = ranks.broadcast(None)
    adam.step = begins["updates"]
    frozen = frozen_slices(model.parameters, frozen_names(options, task.config))
    updates = task.updates(begins["step"])
    with rank_steps(ranks, task, model, adam, frozen) as steps, _stop_of_all(ranks):
        while (told := ranks.broadcast(None)) is not None:
            steps.step(adam, next(updates)[1], **told)


def _stop_of_all(ranks: Ranks) -> StopRequest:
    """A signal that this rank receives is passed on to rank 0, which saves and ends the run."""
    stop = StopRequest(lambda line: ranks.watch.stop_all(stop.number or signal.SIGTERM))
    return stop
