"""Train a Transformer: python train.py [--data phrasebook|multi30k|FILE.tsv|FOLDER] [options]; see --help."""

import argparse
import shlex
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpe.arguments import CommandParser
from numpy_transformer.commands.latest import begun_or_new, take_latest
from numpy_transformer.program import add_version, command, run_program

if TYPE_CHECKING:  # imported when needed: --help should not wait for them
    from bpe import Tokenizer
    from numpy_transformer.terminal.display import Display
    from numpy_transformer.training.distributed.leading import Leader
    from numpy_transformer.training.options import TrainingOptions
    from numpy_transformer.training.texts import AnyCorpus
    from numpy_transformer.training.training_step import TrainingStep

RUNS = Path("runs")
# What may change when a run is resumed: how long, how fast, how often. Everything else defines the run.
MAY_CHANGE_ON_RESUME = {
    "steps",
    "epochs",
    "minutes",
    "workers",
    "device",
    "precision",
    "recompute",
    "philox",
    "evaluate_every",
    "patience",
    "tokenised",
    "ter",
    "data_dir",
}


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; options that were not given are absent."""
    parser = CommandParser(
        description="Train the Transformer of 'Attention Is All You Need', every gradient written by hand.",
        epilog="Without arguments: learns English to German from the built-in phrasebook in about five minutes.",
        argument_default=argparse.SUPPRESS,
    )
    add_version(parser)
    add = parser.add_argument

    group = parser.add_argument_group("text")
    add = group.add_argument
    add("--data", metavar="NAME|FILE|FOLDER", nargs="+", help="phrasebook (default), multi30k, wmt14, one or more "
        "FILE.tsv[.gz|.xz], or a folder with train.en, train.de, valid.en, ...; for a parser phrasebook-trees, "
        "FILE.mrg, or a folder with train.mrg, valid.mrg; of sounds tones, spoken-digits; with other models FILE.txt, "
        "shakespeare")  # fmt: skip
    add("--source", metavar="LANGUAGE", help="source language, the files' suffix (en)")
    add("--target", metavar="LANGUAGE", help="target language (de)")
    add("--data-dir", metavar="DIR", help="folder with local copies of corpora")
    add("--validation", metavar="FILE.tsv", help="validation pairs for --data FILE.tsv, or trees for FILE.mrg (by "
        "default some are held out)")  # fmt: skip
    add("--leave-out", metavar="SPEAKER", help="of spoken-digits: learn without this speaker, who is then tested")
    add("--vocabulary", type=int, metavar="N", help="BPE tokens, including bytes and special tokens")
    add("--bpe-dropout", type=float, metavar="P", help="BPE-dropout: each epoch cuts words anew and leaves out each "
        "merge with probability P (0)")  # fmt: skip
    add("--max-length", type=int, metavar="N", help="leave out pairs with more than N tokens on a side (256)")

    group = parser.add_argument_group("model")
    add = group.add_argument
    add("--from", dest="from_model", metavar="MODEL", help="go on from a trained model: a run, a checkpoint, tatoeba "
        "(which comes with the package) or a Marian folder; its vocabulary and size are taken over")  # fmt: skip
    add("--freeze", metavar="PART,PART", help="parts that do not learn, such as encoder or decoder.0.self_attention")
    add("--model", choices=("encoder-decoder", "decoder", "encoder"), help="what is trained: encoder-decoder (default) "
        "translates, decoder completes FILE.txt or shakespeare, encoder reads")  # fmt: skip
    add("--task", choices=("translate", "parse", "complete", "masked-words", "classify"), help="of an encoder: "
        "masked-words (default) in FILE.txt, or classify FILE.tsv, whose lines are label TAB text; parse follows from "
        "--data")  # fmt: skip
    add("--units", choices=("bytes", "characters", "bpe"), help="a decoder's tokens (bpe; shakespeare: characters)")
    add("--context", type=int, metavar="N", help="tokens that a decoder looks back at most")
    add("--positions", choices=("sinusoidal", "learned"), help="of a decoder or encoder (sinusoidal)")
    add("--activation", choices=("relu", "swish", "gelu", "gelu_tanh"), help="in the feed-forward layers (relu)")
    add("--pooling", choices=("first", "mean"), help="what a classifier looks at: the first vector or the mean (mean)")
    add("--layers", type=int, metavar="N", help="these four replace the preset's: layers of each stack,")
    add("--d-model", type=int, metavar="N", help="width,")
    add("--d-ff", type=int, metavar="N", help="inner width of the feed-forward layers,")
    add("--heads", type=int, metavar="N", help="attention heads")
    add("--preset", choices=("tiny", "small", "base", "big"), help="size (tiny)")
    add("--norm", choices=("post", "pre"), help="layer norm after each sub-layer (post, the paper) or before it")
    add("--weights", choices=("float", "ternary"), help="ternary: those of attention and feed-forward are -1, 0 and 1 "
        "times a scale (float)")  # fmt: skip
    add("--dropout", type=float, metavar="P", help="on sub-layer outputs and embeddings")
    add("--attention-dropout", type=float, metavar="P", help="on attention weights (0)")

    group = parser.add_argument_group("training")
    add = group.add_argument
    add("--steps", type=int, metavar="N", help="stop after N updates")
    add("--epochs", type=int, metavar="N", help="stop after N passes over the text")
    add("--minutes", type=float, metavar="M", help="stop after M minutes")
    add("--batch-tokens", type=int, metavar="N", help="target tokens in a batch")
    add("--accumulate", type=int, metavar="K", help="batches per update (1)")
    add("--warmup", type=int, metavar="N", help="updates until the learning rate peaks")
    add("--rate-scale", type=float, metavar="X", help="factor on the paper's learning rate")
    add("--label-smoothing", type=float, metavar="E", help="0 to 1 (0.1)")
    add("--exchange", type=float, metavar="P", help="a parser's constituents are replaced with this probability by "
        "such from other trees, anew in each epoch (0; for treebanks 0.1)")  # fmt: skip
    add("--consistency", type=float, metavar="A", help="R-Drop: two passes a batch, whose predictions must agree; A "
        "weighs that (0; the paper has 5); twice the time")  # fmt: skip
    add("--clip", type=float, metavar="NORM", help="limit the gradient norm to NORM (off)")
    add("--average", type=int, metavar="K", help="average the last K checkpoints at the end")
    add("--evaluate-every", type=int, metavar="N", help="updates between evaluations, each of which also saves")
    add("--patience", type=int, metavar="N", help="stop after N evaluations without a lower validation loss (off)")
    add("--tokenised", action="store_true", help="the text is tokenised, as for many published figures: at the end, "
        "BLEU of its tokens too")  # fmt: skip
    add("--ter", action="store_true", help="at the end, translation edit rate too (slow)")
    add("--seed", type=int, metavar="N", help="seed of everything random (0)")

    group = parser.add_argument_group("where and how")
    add = group.add_argument
    add("--device", choices=("cpu", "gpu"), help="cpu (NumPy, default) or gpu (CuPy)")
    add("--recompute", action="store_true", help="layers compute their activations twice: less memory, more time")
    add("--philox", action="store_true", help="draw dropout masks on a CPU as a GPU draws them, to compare the two; "
        "slower")  # fmt: skip
    add("--precision", choices=("float32", "tf32", "bfloat16"), help="what operands of matrix products are rounded to "
        "on a GPU; sums are float32 (float32)")  # fmt: skip
    add("--workers", type=int, metavar="N", help="CPU threads, each with a part of the batch (the physical cores, "
        "fewer for small batches); with 1, BLAS uses threads instead")  # fmt: skip
    add("--distributed", choices=("mpi", "nccl"), help="this process is one of several that share the work, on one "
        "machine or many: mpiexec -n 4 python train.py ... --distributed mpi (docs/scaling.md)")  # fmt: skip
    add("--ordered-sum", action="store_true", help="add the gradients of processes in their order, whatever the MPI "
        "library would do")  # fmt: skip
    add("--run", metavar="DIR", help="folder for everything the run writes (runs/NAME)")
    add("--resume", action="store_true", help="continue the run in --run, or the latest one")
    add("--resume-or-begin", action="store_true", help="continue the run in --run (runs/NAME) if there is one, else "
        "begin it: one command line for every start of a batch job")  # fmt: skip
    add("--config", metavar="FILE.toml", help="options from a file: name = value; the command line takes precedence")
    options = parser.parse_args(arguments)
    if "data" in options:
        options.data = as_one_text(options.data)
    return options


def as_one_text(names: list[str]) -> str:
    """Several files as one value of the option --data. Raises InputError for a name that would be taken for two."""
    from numpy_transformer.data.corpus_files import SEPARATOR
    from numpy_transformer.errors import InputError

    for name in names if len(names) > 1 else []:
        if SEPARATOR in name:
            raise InputError(f"--data {name}: of several files, none may have a comma in its name: rename it")
    return SEPARATOR.join(names)


def given_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The training options from --config and the command line."""
    from numpy_transformer.training.options import read_toml

    options = dict(vars(arguments))
    for name in ("run", "resume", "resume_or_begin", "config", "distributed", "ordered_sum"):
        options.pop(name, None)
    file = read_toml(arguments.config) if "config" in arguments else {}
    return {**file, **options}


def train(
    arguments: argparse.Namespace,
    *,
    display: "Display | None" = None,
    on_step: "Callable[[TrainingStep], bool | None] | None" = None,
    leader: "Leader | None" = None,
) -> int:
    """Prepare the run that the arguments describe, train it, and print what to do next.

    Returns the exit status: 0 when the run reached its end. `display` replaces standard output's; `on_step` is called
    after each step, and ends the run by returning False. A `leader` shares the work with other processes.
    """
    started = time.monotonic()
    from numpy_transformer.backend.arrays import device_module
    from numpy_transformer.backend.precision import check_precision
    from numpy_transformer.errors import InputError
    from numpy_transformer.storage.run_files import new_run_path, run_name, runs_in
    from numpy_transformer.terminal.display import make_display
    from numpy_transformer.training.options import TrainingOptions
    from numpy_transformer.training.own_text import suited
    from numpy_transformer.training.run_folder import RunFolder
    from numpy_transformer.training.starting_point import BaseModel, load_base
    from numpy_transformer.training.texts import corpus_of
    from numpy_transformer.training.trainer import Trainer

    given = given_options(arguments)
    base: BaseModel | None = None
    resume = "resume" in arguments
    if "resume_or_begin" in arguments:
        if resume:
            raise InputError("--resume and --resume-or-begin: give one of them")
        arguments.run, resume = begun_or_new(vars(arguments).get("run"), given)
    if resume:
        runs = [Path(arguments.run)] if "run" in arguments else runs_in(RUNS, with_model=False)
        if not runs:
            raise InputError(f"--resume: there is no run in {RUNS}/ yet; begin one without --resume")
        path = take_latest(runs, what="resuming", option="--run")
        folder = RunFolder(path)
        options = resumed_options(folder.read_options(), given, folder.config_file)
    else:
        if "run" in arguments and not arguments.run:
            raise InputError("--run is empty; name a folder for the run")
        options = TrainingOptions.for_data(given)
        if options.from_model is not None:
            base = load_base(options, given)
            options = base.options
        path = Path(arguments.run) if "run" in arguments else new_run_path(RUNS, run_name(options.data))
        folder = RunFolder(path)
        if path.exists() and not path.is_dir():
            raise InputError(f"--run {path} is a file; name a folder for the run")

    # A missing GPU is said at once, not after minutes of preparation.
    check_precision(options.precision, device_module(options.device))
    with folder.claimed(new=not resume), display or make_display() as display:
        languages = f" ({options.source} to {options.target})" if options.learns == "translate" else ""
        display.message(f"data: {options.data}{languages}")
        corpus = corpus_of(options, display)
        for note in corpus.notes:
            display.message(f"    {note}")
        if resume:
            trainer = Trainer.resume(options, corpus, folder, display, started=started, leader=leader)
        else:
            if options.learns == "translate" and base is None:
                options, choice = suited(options, given, corpus.train)
                if choice:
                    display.message(f"    {choice}")
            tokenizer = learn_vocabulary(options, corpus, display) if base is None else base.tokenizer
            model = None if base is None else base.model
            trainer = Trainer.begin(
                options, corpus, tokenizer, folder, display, base=model, started=started, leader=leader
            )
        trainer.on_step = on_step
        finished = trainer.run()
        name = shlex.quote(str(path))
        if not finished:
            again = f"{command('train')} --resume --run {name}"
            again = again if leader is None else leader.started_so(again)
            display.message(f"stopped at step {trainer.progress.step}; go on with: {again}")
            return 128 + (trainer.stopped_by or signal.SIGINT)  # what a shell reports for this signal
        display.message(f"run folder: {path}")
        display.message(f"try it: {trainer.task.try_it(name)}")
    return 0


def learn_vocabulary(options: "TrainingOptions", corpus: "AnyCorpus", display: "Display") -> "Tokenizer":
    """A tokenizer for the corpus's training text; the display says what was learned from it."""
    from numpy_transformer.training.texts import learn_tokenizer

    if options.units == "bpe":
        display.message(f"learning a vocabulary of {options.vocabulary:,} tokens")
    with warnings.catch_warnings(record=True) as caught:  # a vocabulary that the text cannot fill
        warnings.simplefilter("always")
        tokenizer = learn_tokenizer(options, corpus)
    for warning in caught:
        display.message(f"    {warning.message}")
    return tokenizer


def resumed_options(saved: Any, given: dict[str, Any], path: Path) -> Any:
    """The saved options with the allowed changes. Raises InputError naming the first change that is not allowed."""
    import dataclasses

    from numpy_transformer.errors import InputError
    from numpy_transformer.training.options import option_name

    for name, value in given.items():
        if name not in MAY_CHANGE_ON_RESUME and value != getattr(saved, name):
            raise InputError(
                f"{option_name(name)} {value} differs from the run's own ({getattr(saved, name)} in {path}); "
                "leave it out to resume, or begin another run with another --run"
            )
    ends = {"steps": None, "epochs": None, "minutes": None} if given.keys() & {"steps", "epochs", "minutes"} else {}
    return dataclasses.replace(saved, **{**ends, **given})


def train_alone_or_not(arguments: argparse.Namespace) -> int:
    """Train in this process, or as one of several that share the work. Returns the exit status."""
    if "distributed" not in arguments and "ordered_sum" not in arguments:
        return train(arguments)
    from numpy_transformer.commands.train_ranks import train_as_rank

    return train_as_rank(arguments, given_options(arguments), train)


def main() -> int:
    """Entry point of `numpy-transformer-train`."""
    from numpy_transformer.training.options import LESS_MEMORY

    return run_program(lambda: train_alone_or_not(parse_arguments(None)), less_memory=LESS_MEMORY)
