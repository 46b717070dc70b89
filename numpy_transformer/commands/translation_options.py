"""The options of translate.py: the command line, which of them contradict each other, and what is searched for."""

import argparse
import os
from typing import TYPE_CHECKING

from bpe.arguments import CommandParser
from numpy_transformer.commands.text_lines import check_text
from numpy_transformer.errors import InputError
from numpy_transformer.program import add_version

if TYPE_CHECKING:  # imported when needed, as in translate.py
    from numpy_transformer.decoding.constraints import Constraints
    from numpy_transformer.decoding.token_by_token import Sampling
    from numpy_transformer.translation.search_options import SearchOptions

CONSTRAINTS = ("min_length", "max_length", "no_repeat_ngram", "prefix", "ban", "require")
PORT = 8765  # of the web page


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line; None means that an option was not given."""
    parser = CommandParser(
        description="Translate with a trained model. Without TEXT and --input, standard input is translated. "
        "Translations go to standard output, one line per input line; everything else goes to standard error.",
    )
    add_version(parser)
    parser.add_argument("text", nargs="*", metavar="TEXT", help="a sentence; several are translated one by one")

    add = parser.add_argument_group("what and where").add_argument
    add(
        "--model",
        metavar="RUN",
        action="append",
        help="run folder or checkpoint file, or tatoeba, which comes with the package (the latest run in runs/, else "
        "tatoeba); if repeated, the models translate together",
    )
    add("--input", metavar="FILE", help="text file, UTF-8, one sentence per line; .gz and .xz too")
    add("--audio", metavar="FILE.wav", nargs="+", help="sound files: write what is said in each (a model of train.py "
        "--data spoken-digits or tones)")  # fmt: skip
    add("--output", metavar="FILE", help="file to write; it appears when everything is translated")
    add("--device", choices=("cpu", "gpu"), default="cpu", help="cpu (NumPy, default) or gpu (CuPy)")
    add("--batch-tokens", type=int, metavar="N", help="source tokens decoded at once: trades memory for speed")
    add("--workers", type=int, default=1, metavar="N", help="processes, each with batches of its own (1)")
    add("--split-sentences", action="store_true", help="lines are paragraphs: translate each sentence separately")

    add = parser.add_argument_group("search").add_argument
    add("--beam", type=int, metavar="N", help="hypotheses kept per sentence; 1 is greedy search (4)")
    add("--alpha", type=float, default=0.6, metavar="A", help="length penalty ((5 + length) / 6)^A; 0 for none (0.6)")
    add("--n-best", type=int, default=1, metavar="N", help="the N best for each line, after its number and a tab")
    add("--scores", action="store_true", help="print the score and a tab before each translation")

    add("--coverage", type=float, default=0.0, metavar="B", help="weight of the coverage penalty (0; 0.2 is usual)")
    add(
        "--shortlist",
        action="store_true",
        help="search likely tokens only: faster (python -m numpy_transformer.shortlist)",
    )
    add("--score", action="store_true", help="input is source TAB target: print each target's log-probability instead")

    add = parser.add_argument_group("constraints on every translation").add_argument
    add("--min-length", type=int, metavar="N", help="at least N tokens")
    add("--max-length", type=int, metavar="N", help="at most N tokens (those of the source + 50)")
    add("--no-repeat-ngram", type=int, metavar="N", help="no sequence of N tokens occurs twice")
    add("--prefix", metavar="TEXT", help="it begins with TEXT")
    add("--ban", metavar="TEXT", action="append", help="it does not contain TEXT; may be repeated")
    add("--require", metavar="TEXT", action="append", help="it contains TEXT; may be repeated")

    add = parser.add_argument_group("sampling").add_argument
    add("--sample", action="store_true", help="draw translations at random instead of searching for the best")
    add("--temperature", type=float, metavar="T", help="below 1 cautious, above 1 daring (1)")
    add("--top-k", type=int, metavar="K", help="draw among the K most probable tokens")
    add("--top-p", type=float, metavar="P", help="draw among the most probable tokens that together reach P")
    add("--seed", type=int, metavar="N", help="another seed, another sample (0)")

    add = parser.add_argument_group("seeing inside").add_argument
    add("--attention", metavar="FILE", help="draw the attention of every layer and head for one TEXT: .png or .html")
    add("--explain", action="store_true", help="print, step by step, how beam search found the translation of one TEXT")
    add("--trace", metavar="FILE", help="every array of the model for one TEXT, forward and back, as a page: .html")
    add("--trace-target", metavar="TEXT", help="the target that --trace takes the loss of (the translation itself)")
    add("--alignment", metavar="FILE", help="file to write: for each line, which words became which (0-0 1-2 ...)")

    add = parser.add_argument_group("a page in the browser").add_argument
    add("--serve", action="store_true", help="translate on a local web page instead, with the search options above")
    add("--port", type=int, metavar="N", help=f"of the page; 0 for any free one ({PORT})")
    return parser.parse_args(arguments)


def check_arguments(options: argparse.Namespace, texts: list[str]) -> None:
    """Raises InputError for options that contradict each other or the texts, or exceed a limit."""
    if texts and options.input is not None:
        raise InputError("give TEXT or --input, not both")
    written = (options.output, options.alignment, options.attention, options.trace)
    files = [os.path.realpath(path) for path in written if path is not None]
    if len(set(files)) < len(files):
        raise InputError("two of --output, --alignment, --attention and --trace name the same file: give each its own")
    if options.trace_target is not None and options.trace is None:
        raise InputError("--trace-target only has a meaning with --trace")
    if options.attention is not None or options.explain or options.trace is not None:
        check_looking_inside(options, texts)
    if options.workers != 1:
        from bpe.workers import most_workers  # rarely needed

        if not 1 <= options.workers <= most_workers():
            raise InputError(f"workers is {options.workers}; it must be from 1 to {most_workers()} on this computer")


def check_looking_inside(options: argparse.Namespace, texts: list[str]) -> None:
    """Raises InputError unless --attention, --trace or --explain have one sentence and a search to show."""
    name = "--attention" if options.attention is not None else "--explain" if options.explain else "--trace"
    if options.attention is not None:
        from numpy_transformer.seeing.drawing import check_format

        check_format(options.attention)
    if options.trace is not None:
        from numpy_transformer.seeing.trace import check_trace_format

        check_trace_format(options.trace)
        check_text(options.trace_target or "", "the text of --trace-target")
    from numpy_transformer.data.clean_text import clean_text

    if len(texts) != 1 or not clean_text(texts[0]) or options.split_sentences:
        raise InputError(f"{name} shows one sentence: give exactly one TEXT")
    if options.score:
        raise InputError(f"give {name} or --score, not both")
    if options.explain and options.sample:
        raise InputError("--explain shows beam search: give --explain or --sample, not both")


def check_scoring(options: argparse.Namespace) -> None:
    """Raises InputError if an option was given that has no meaning with --score."""
    usual = parse_arguments([])
    searching = ("beam", "alpha", "n_best", "scores", "coverage", "shortlist", "sample", "split_sentences")
    for name in searching + CONSTRAINTS:
        if getattr(options, name) != getattr(usual, name):
            raise InputError(f"--{name.replace('_', '-')} has no meaning with --score, which does not search")


def check_serving(options: argparse.Namespace) -> None:
    """Raises InputError for an option that has no meaning with --serve."""
    elsewhere = ("text", "input", "output", "score", "scores", "sample", "split_sentences")
    looking_inside = ("attention", "explain", "trace", "trace_target", "alignment")
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
    from numpy_transformer.decoding.token_by_token import Sampling

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
