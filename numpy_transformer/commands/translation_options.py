"""What the options of translate.py mean for a search, and which of them contradict each other."""

import argparse
import os
from typing import TYPE_CHECKING

from numpy_transformer.commands.text_lines import check_text
from numpy_transformer.errors import InputError

if TYPE_CHECKING:  # imported when needed, as in translate.py
    from numpy_transformer.decoding.constraints import Constraints
    from numpy_transformer.decoding.sampling import Sampling
    from numpy_transformer.translation.search_options import SearchOptions

CONSTRAINTS = ("min_length", "max_length", "no_repeat_ngram", "prefix", "ban", "require")
WORKERS_PER_PROCESSOR = 8  # at most; more than one slow each other down


def check_arguments(options: argparse.Namespace, texts: list[str]) -> None:
    """Raises InputError for options that contradict each other or the texts, or ask for too much."""
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
    """Raises InputError unless --attention or --explain have one sentence to show, and a search to tell of."""
    name = "--explain" if options.attention is None else "--attention"
    if options.attention is not None:
        from numpy_transformer.seeing.drawing import check_format

        check_format(options.attention)
    if len(texts) != 1 or not texts[0].strip() or options.split_sentences:
        raise InputError(f"{name} shows one sentence: give exactly one TEXT")
    if options.score:
        raise InputError(f"give {name} or --score, not both")
    if options.explain and options.sample:
        raise InputError("--explain tells of beam search: give --explain or --sample, not both")


def check_scoring(options: argparse.Namespace, usual: argparse.Namespace) -> None:
    """Raises InputError for an option that has no meaning with --score, if it is not as `usual`."""
    searching = ("beam", "alpha", "n_best", "scores", "coverage", "shortlist", "sample", "split_sentences")
    for name in searching + CONSTRAINTS:
        if getattr(options, name) != getattr(usual, name):
            raise InputError(f"--{name.replace('_', '-')} has no meaning with --score, where nothing is searched")


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


def search_options(options: argparse.Namespace) -> "SearchOptions":
    """What is searched for. Raises InputError for impossible or contradictory options."""
    from numpy_transformer.translation.search_options import BATCH_TOKENS, SearchOptions

    usual_beam = max(4, options.n_best)
    return SearchOptions(
        sampling=sampling_of(options),
        constraints=constraints_of(options),
        beam=usual_beam if options.beam is None else options.beam,
        alpha=options.alpha,
        n_best=options.n_best,
        batch_tokens=BATCH_TOKENS if options.batch_tokens is None else options.batch_tokens,
        coverage=options.coverage,
        shortlist=options.shortlist,
    )


def sampling_of(options: argparse.Namespace) -> "Sampling | None":
    """How tokens are drawn, None without --sample."""
    from numpy_transformer.decoding.sampling import Sampling

    for name in ("temperature", "top_k", "top_p", "seed"):
        if getattr(options, name) is not None and not options.sample:
            raise InputError(f"--{name.replace('_', '-')} only has a meaning with --sample")
    if not options.sample:
        return None
    if options.beam is not None:
        raise InputError("give --sample or --beam, not both")
    return Sampling(
        temperature=1.0 if options.temperature is None else options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed or 0,
    )


def constraints_of(options: argparse.Namespace) -> "Constraints | None":
    """What the translations must hold or not hold, None without any option that says so."""
    from numpy_transformer.decoding.constraints import Constraints

    for text in (options.prefix, *(options.ban or ()), *(options.require or ())):
        check_text(text or "", "a text of --prefix, --ban or --require")
    if all(getattr(options, name) is None for name in CONSTRAINTS):
        return None
    return Constraints(
        minimum_length=options.min_length or 0,
        maximum_length=options.max_length,
        no_repeat_ngram=options.no_repeat_ngram,
        prefix=options.prefix or "",
        banned=tuple(options.ban or ()),
        required=tuple(options.require or ()),
    )
