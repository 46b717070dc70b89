"""What the options of translate.py mean for a search, and which ones contradict each other."""

import argparse
import os
from typing import Any

from numpy_transformer.commands.text_lines import check_text
from numpy_transformer.errors import InputError

WORKERS_PER_PROCESSOR = 8  # at most; more than one process per processor slow each other down


def check_arguments(options: argparse.Namespace, texts: list[str]) -> None:
    """Raises InputError for options that contradict each other or the texts, or exceed a limit."""
    if texts and options.input is not None:
        raise InputError("give TEXT or --input, not both")
    written = (options.output, options.alignment, options.attention)
    files = [os.path.realpath(path) for path in written if path is not None]
    if len(set(files)) < len(files):
        raise InputError("two of --output, --alignment and --attention name the same file: give each its own")
    if options.attention is not None or options.explain:
        check_looking_inside(options, texts)
    most = WORKERS_PER_PROCESSOR * (os.cpu_count() or 1)
    if not 1 <= options.workers <= most:
        raise InputError(f"workers is {options.workers}; it must be from 1 to {most} on this computer")


def check_looking_inside(options: argparse.Namespace, texts: list[str]) -> None:
    """Raises InputError unless --attention or --explain have one sentence and a search to show."""
    name = "--explain" if options.attention is None else "--attention"
    if options.attention is not None:
        from numpy_transformer.seeing.drawing import check_format

        check_format(options.attention)
    if len(texts) != 1 or not texts[0].strip() or options.split_sentences:
        raise InputError(f"{name} shows one sentence: give exactly one TEXT")
    if options.score:
        raise InputError(f"give {name} or --score, not both")
    if options.explain and options.sample:
        raise InputError("--explain shows beam search: give --explain or --sample, not both")


def check_scoring(options: argparse.Namespace, usual: argparse.Namespace) -> None:
    """Raises InputError for an option that has no meaning with --score, if it differs from `usual`."""
    searching = ("beam", "alpha", "n_best", "scores", "coverage", "shortlist", "sample", "split_sentences")
    constraints = ("min_length", "max_length", "no_repeat_ngram", "prefix", "ban", "require")
    for name in searching + constraints:
        if getattr(options, name) != getattr(usual, name):
            raise InputError(f"--{name.replace('_', '-')} has no meaning with --score, which does not search")


def check_serving(options: argparse.Namespace) -> None:
    """Raises InputError for an option that has no meaning with --serve."""
    elsewhere = ("text", "input", "output", "score", "scores", "sample", "split_sentences")
    looking_inside = ("attention", "explain", "alignment")
    for name in elsewhere + looking_inside:
        if getattr(options, name):
            given = "TEXT" if name == "text" else f"--{name.replace('_', '-')}"
            raise InputError(f"{given} has no meaning with --serve: the page asks for texts and shows translations")
    if options.workers != 1:
        raise InputError("--workers has no meaning with --serve: the page translates one text at a time")


def search_options(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments for Translator.hypotheses, checked. Raises InputError for impossible or contradictory options."""
    from numpy_transformer.translation.translator import BATCH_TOKENS, Constraints, Sampling, check_options

    shape = {name: getattr(options, name) for name in ("temperature", "top_k", "top_p", "seed")}
    shape = {name: value for name, value in shape.items() if value is not None}
    if shape and not options.sample:
        raise InputError(f"--{next(iter(shape)).replace('_', '-')} only has a meaning with --sample")
    if options.sample and options.beam is not None:
        raise InputError("give --sample or --beam, not both")
    for text in (options.prefix, *(options.ban or ()), *(options.require or ())):
        check_text(text or "", "a text of --prefix, --ban or --require")
    given = {
        "minimum_length": options.min_length,
        "maximum_length": options.max_length,
        "no_repeat_ngram": options.no_repeat_ngram,
        "prefix": options.prefix,
        "banned": options.ban and tuple(options.ban),
        "required": options.require and tuple(options.require),
    }
    given = {name: value for name, value in given.items() if value is not None}
    search = {
        "beam": max(4, options.n_best) if options.beam is None else options.beam,
        "alpha": options.alpha,
        "n_best": options.n_best,
        "sampling": Sampling(**shape) if options.sample else None,
        "batch_tokens": BATCH_TOKENS if options.batch_tokens is None else options.batch_tokens,
        "coverage": options.coverage,
        "constraints": Constraints(**given) if given else None,
    }
    check_options(**search, shortlist=options.shortlist)
    return search
