"""Translate text with a trained model: python translate.py [TEXT ...] [options]; see --help."""

import argparse
import itertools
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from numpy_transformer.errors import InputError
from numpy_transformer.program import command, run_program

if TYPE_CHECKING:  # imported when needed: a single sentence should not wait for what it does not use
    from numpy_transformer.decoding.alignment import Alignment
    from numpy_transformer.translator import Hypothesis, Translator

RUNS = Path("runs")
LONGEST_LINE = 1 << 24  # bytes; memory stays bounded even if the input never has a line end
# The matrix products of one step are small. From this width on a second BLAS thread pays; below, it costs.
WIDE_MODEL = 512
WORKERS_PER_PROCESSOR = 8  # at most; more than one slow each other down
PORT = 8765  # of the web page


class Written(NamedTuple):
    """What the program writes for a line of the input."""

    source: str
    text: str  # on the output, one line or several
    alignment: "Alignment"  # on a line of --alignment; without links if there is no such file


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; None stands for an option that was not given."""
    parser = argparse.ArgumentParser(
        description="Translate with a trained model. Without TEXT and --input, standard input is translated. "
        "Translations go to standard output, one line per input line; everything else goes to standard error.",
    )
    parser.add_argument("text", nargs="*", metavar="TEXT", help="a sentence; several are translated one by one")

    add = parser.add_argument_group("what and where").add_argument
    add(
        "--model",
        metavar="RUN",
        action="append",
        help="run folder or checkpoint file (the latest run in runs/); given several times, they translate together",
    )
    add("--input", metavar="FILE", help="text file, UTF-8, one sentence per line")
    add("--output", metavar="FILE", help="file to write; it appears when everything is translated")
    add("--device", choices=("cpu", "gpu"), default="cpu", help="cpu (NumPy, default) or gpu (CuPy)")
    add("--batch-tokens", type=int, metavar="N", help="source tokens decoded at once: memory against speed")
    add("--workers", type=int, default=1, metavar="N", help="processes, each with batches of its own (1)")
    add("--split-sentences", action="store_true", help="lines are paragraphs: translate each sentence by itself")

    add = parser.add_argument_group("search").add_argument
    add("--beam", type=int, metavar="N", help="hypotheses kept per sentence; 1 is greedy search (4)")
    add("--alpha", type=float, default=0.6, metavar="A", help="length penalty ((5 + length) / 6)^A; 0 for none (0.6)")
    add("--n-best", type=int, default=1, metavar="N", help="the N best of each line, after the line's number and a tab")
    add("--scores", action="store_true", help="before each translation, its score and a tab")

    add("--coverage", type=float, default=0.0, metavar="B", help="weight of the coverage penalty (0; 0.2 is usual)")
    add("--shortlist", action="store_true", help="search likely tokens only: faster (numpy_transformer/shortlist.py)")
    add("--score", action="store_true", help="input is source TAB target: print each target's log-probability instead")

    add = parser.add_argument_group("constraints on every translation").add_argument
    add("--min-length", type=int, metavar="N", help="at least N tokens")
    add("--max-length", type=int, metavar="N", help="at most N tokens (those of the source + 50)")
    add("--no-repeat-ngram", type=int, metavar="N", help="no N tokens in a row twice")
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
    add("--explain", action="store_true", help="tell how beam search found the translation of one TEXT, step by step")
    add("--alignment", metavar="FILE", help="file to write: of each line, which words became which (0-0 1-2 ...)")

    add = parser.add_argument_group("a page in the browser").add_argument
    add("--serve", action="store_true", help="translate on a local web page instead, with the search options above")
    add("--port", type=int, metavar="N", help=f"of the page; 0 for any free one ({PORT})")
    return parser.parse_args(arguments)


def translate(options: argparse.Namespace) -> None:
    """Read, translate and write as the options say."""
    if options.serve:
        serve_page(options)
        return
    if options.port is not None:
        raise InputError("--port only has a meaning with --serve")
    from numpy_transformer.decoding.alignment import pharaoh
    from numpy_transformer.progress import Progress
    from numpy_transformer.streaming import WINDOW_LINES
    from numpy_transformer.translator import TextError

    if options.text and options.input is not None:
        raise InputError("give TEXT or --input, not both")
    texts = [check_text(line) for text in options.text for line in text.split("\n")]
    written = (options.output, options.alignment, options.attention)
    files = [os.path.realpath(path) for path in written if path is not None]
    if len(set(files)) < len(files):
        raise InputError("two of --output, --alignment and --attention name the same file: give each its own")
    looks_inside = options.attention is not None or options.explain
    if looks_inside:
        check_looking_inside(options, texts)
    if options.score:
        check_scoring(options)
    search = search_options(options)
    most = WORKERS_PER_PROCESSOR * (os.cpu_count() or 1)
    if not 1 <= options.workers <= most:
        raise InputError(f"workers is {options.workers}; it must be from 1 to {most} on this computer")
    translator = load_translator(options, model_paths(options))

    with ExitStack() as stack:
        progress: Progress | None = None
        window_lines = WINDOW_LINES
        if texts:
            name, lines = "TEXT", iter(texts)
        else:
            name = "standard input" if options.input is None else options.input
            file = stack.enter_context(open_input(options.input))
            lines = read_lines(file, name)
            if file.isatty():
                window_lines = 1  # answer each line before the next is typed
            else:
                progress = stack.enter_context(Progress(size_of(file)))
        output = stack.enter_context(open_output(options.output))
        alignments = None if options.alignment is None else stack.enter_context(open_output(options.alignment))
        if options.score:
            stream = scored(translator, lines, window_lines, options)
        elif looks_inside:
            stream = seen_inside(translator, texts[0], search, options)
        else:
            stream = translated(translator, lines, window_lines, name, search, options)
        try:
            for line in stream:
                output.write(line.text.encode("utf-8"))
                output.flush()  # a reader at the other end of a pipe should not wait
                if alignments is not None:
                    alignments.write(f"{pharaoh(line.alignment)}\n".encode())
                if progress is not None:
                    progress.add(line.source)
        except TextError as error:
            raise InputError(f"{name}: line {error.number} {error.reason}") from None


def translated(
    translator: "Translator",
    lines: Iterable[str],
    window_lines: int,
    name: str,
    search: dict[str, Any],
    options: argparse.Namespace,
) -> Iterator[Written]:
    """What is written for each line. Raises TextError for a line that cannot be translated."""
    from numpy_transformer.streaming import translate_lines
    from numpy_transformer.translator import TextError

    stream = translate_lines(
        translator,
        lines,
        search=search,
        workers=options.workers,
        sentences=options.split_sentences,
        window_lines=window_lines,
        alignments=options.alignment is not None,
    )
    for number, line in enumerate(stream, 1):
        if line.parts > 1 and (options.prefix or options.require):
            reason = "takes several parts to translate, but --prefix and --require are for one sentence: split it"
            raise TextError(number, reason)
        if line.parts > 1 and not options.split_sentences:
            note = f"{name}: line {number} is too long for the model: translated in {line.parts:,} parts"
            print(note, file=sys.stderr)
        text = "".join(format_line(hypothesis, number, options) for hypothesis in line.hypotheses)
        yield Written(line.source, text, line.hypotheses[0].alignment)


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


def seen_inside(
    translator: "Translator", text: str, search: dict[str, Any], options: argparse.Namespace
) -> Iterator[Written]:
    """What is written for the text; once that is done, what --explain and --attention show of it."""
    from numpy_transformer.decoding.recorder import BeamRecorder
    from numpy_transformer.seeing.drawing import check_length, save_attention
    from numpy_transformer.seeing.explain import explain
    from numpy_transformer.seeing.story import tell

    recorder = None if options.sample else BeamRecorder()
    [found] = translator.hypotheses([text], recorder=recorder, **search)
    best = found[0]
    maps = None
    if options.attention is not None:
        maps = translator.attention(text, best.ids)
        check_length(maps)
    written = "".join(format_line(hypothesis, 1, options) for hypothesis in found)
    alignment = translator.align([text], [best.ids])[0] if options.alignment is not None else ()
    yield Written(text, written, alignment)

    story = None
    if recorder is not None:
        story = tell(recorder, translator.tokenizer, alpha=options.alpha, n_best=options.n_best)
    if options.explain and story is not None:
        explain(story, sys.stderr)
    if maps is not None:
        save_attention(options.attention, text=text, translation=best.text, maps=maps, story=story)
        print(f"attention: {options.attention}", file=sys.stderr)


def scored(
    translator: "Translator", lines: Iterable[str], window_lines: int, options: argparse.Namespace
) -> Iterator[Written]:
    """Of each line, `source TAB target`, the target's log-probability. Raises TextError for a line without a tab."""
    from numpy_transformer.streaming import read_windows
    from numpy_transformer.translator import TextError

    before = 0  # lines of the windows before
    for window in read_windows(lines, window_lines):
        pairs = []
        for number, line in enumerate(window, before + 1):
            columns = line.split("\t")
            if len(columns) < 2:
                raise TextError(number, "has no tab: --score reads source TAB target")
            pairs.append((columns[0], columns[1]))  # as in training data, further columns are ignored
        try:
            scores = translator.score(pairs)
        except TextError as error:
            raise TextError(before + error.number, error.reason) from None
        alignments: Sequence[Alignment] = [()] * len(pairs)
        if options.alignment is not None:
            sources, targets = zip(*pairs, strict=True)
            alignments = translator.align(sources, translator.target_tokenizer.encode_batch(targets))
        for line, score, alignment in zip(window, scores, alignments, strict=True):
            yield Written(line, f"{score:.4f}\n", alignment)
        before += len(window)


def check_scoring(options: argparse.Namespace) -> None:
    """Raises InputError for an option that has no meaning with --score."""
    usual = parse_arguments([])
    searching = ("beam", "alpha", "n_best", "scores", "coverage", "shortlist", "sample", "split_sentences")
    constraints = ("min_length", "max_length", "no_repeat_ngram", "prefix", "ban", "require")
    for name in searching + constraints:
        if getattr(options, name) != getattr(usual, name):
            raise InputError(f"--{name.replace('_', '-')} has no meaning with --score, where nothing is searched")


def search_options(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments for Translator.hypotheses, checked. Raises InputError for impossible or contradictory options."""
    from numpy_transformer.translator import BATCH_TOKENS, Constraints, Sampling, check_options

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


def model_paths(options: argparse.Namespace) -> list[Path]:
    """The models that --model names, or the latest one. Raises InputError with advice when there is none."""
    from numpy_transformer.run_folder import latest_run

    if options.model is not None:
        return [Path(name) for name in options.model]
    latest = latest_run(RUNS, with_model=True)
    if latest is None:
        raise InputError(
            f"there is no trained model in {RUNS}/ yet: train one with {command('train')} (a few minutes), "
            "or name one with --model"
        )
    return [latest]


def load_translator(options: argparse.Namespace, paths: list[Path]) -> "Translator":
    """The models at `paths`, as one translator. Raises InputError if one of them cannot be used."""
    from numpy_transformer.translator import Translator

    translator, *others = [Translator.load(path, device=options.device) for path in paths]
    if others:
        translator = translator.together_with(others, names=paths[1:])
    if options.shortlist:
        translator.load_shortlist(paths[0])
    if options.device == "cpu":
        one_thread = options.workers > 1 or translator.model.config.d_model < WIDE_MODEL
        limit_blas_threads(1 if one_thread else 2)
    return translator


def limit_blas_threads(count: int) -> None:
    """Let BLAS use `count` threads, or fewer where the machine or the environment says so."""
    from threadpoolctl import threadpool_info, threadpool_limits

    allowed = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    threadpool_limits(limits=min([count, *allowed]), user_api="blas")


def check_text(text: str, name: str = "TEXT") -> str:
    """Raises InputError for an argument that is not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{name} is not valid UTF-8: check the encoding of the terminal") from None
    return text


def open_input(path: str | None) -> AbstractContextManager[BinaryIO]:
    """The named file, or standard input."""
    if path is not None:
        try:
            return open(path, "rb")
        except OSError as error:
            raise InputError(f"--input {path}: cannot be read ({error.strerror}): name a readable text file") from None
    if sys.stdin is None:
        raise InputError("there is no standard input: give TEXT or --input")
    if sys.stdin.isatty():
        print("translating what you type, line by line; end with Ctrl-D", file=sys.stderr)
    return nullcontext(sys.stdin.buffer)


def size_of(file: BinaryIO) -> int | None:
    """Bytes of a regular file, None for a pipe or a device."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def open_output(path: str | None) -> AbstractContextManager[BinaryIO]:
    """The named file, which appears whole or not at all, or standard output."""
    if path is None:
        if sys.stdout is None:
            raise InputError("there is no standard output: give --output")
        return nullcontext(sys.stdout.buffer)
    from numpy_transformer.atomic import atomic_write

    return atomic_write(path)


def read_lines(file: BinaryIO, name: str) -> Iterator[str]:
    """The lines of a UTF-8 file, without their ends and a byte order mark. Raises InputError naming the line."""
    for number in itertools.count(1):
        line = file.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) == LONGEST_LINE:
            raise InputError(f"{name}: line {number} is {LONGEST_LINE:,} bytes long or longer: split it into sentences")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}: line {number} is not UTF-8 (byte {error.start + 1} of the line): convert the file to UTF-8"
            ) from None
        yield text.removesuffix("\n").removesuffix("\r")


def format_line(hypothesis: "Hypothesis", number: int, options: argparse.Namespace) -> str:
    """One output line: [line number, tab] [score, tab] translation."""
    columns = []
    if options.n_best > 1:
        columns.append(str(number))
    if options.scores:
        columns.append(f"{hypothesis.score:.4f}")
    # A byte-level model may write anything, but a line must stay one line.
    columns.append(hypothesis.text.replace("\r", " ").replace("\n", " "))
    return "\t".join(columns) + "\n"


def serve_page(options: argparse.Namespace) -> None:
    """Translate on a web page until Ctrl-C."""
    elsewhere = ("text", "input", "output", "score", "scores", "sample", "split_sentences")
    looking_inside = ("attention", "explain", "alignment")
    for name in elsewhere + looking_inside:
        if getattr(options, name):
            given = "TEXT" if name == "text" else f"--{name.replace('_', '-')}"
            raise InputError(f"{given} has no meaning with --serve: the page asks for texts and shows translations")
    if options.workers != 1:
        raise InputError("--workers has no meaning with --serve: the page translates one text at a time")
    from numpy_transformer.serve import PageServer, about_models, serve

    search = search_options(options)
    paths = model_paths(options)
    server = PageServer(
        load_translator(options, paths),
        port=PORT if options.port is None else options.port,
        search=search,
        about=about_models(paths),
    )
    serve(server, announce=lambda line: print(line, file=sys.stderr))


def main() -> int:
    """Entry point of `numpy-transformer-translate`."""
    return run_program(
        lambda: translate(parse_arguments(None)), less_memory="lower --batch-tokens, --beam, --max-length or --workers"
    )


if __name__ == "__main__":
    sys.exit(main())
