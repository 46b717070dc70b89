"""Translate text with a trained model: python translate.py [TEXT ...] [options]; see --help."""

import argparse
import functools
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from numpy_transformer.commands.latest import take_latest
from numpy_transformer.commands.text_lines import argument_lines, open_input, open_output, read_lines, size_of
from numpy_transformer.commands.translation_options import (
    PORT,
    check_arguments,
    check_scoring,
    check_serving,
    parse_arguments,
    search_options,
)
from numpy_transformer.errors import InputError
from numpy_transformer.program import command, run_program

if TYPE_CHECKING:  # imported when needed: a single sentence should not wait for what it does not use
    from numpy_transformer.data.known_words import KnownWords
    from numpy_transformer.decoding.alignment import Alignment
    from numpy_transformer.translation.hypothesis import Hypothesis
    from numpy_transformer.translation.search_options import SearchOptions
    from numpy_transformer.translation.streaming import LinesDone
    from numpy_transformer.translation.translator import Translator

RUNS = Path("runs")
# The matrix products of one step are small. From this width on a second BLAS thread pays; below, it costs.
WIDE_MODEL = 512


class Written(NamedTuple):
    """What the program writes for one input line."""

    source: str
    text: str  # on the output, one line or several
    alignment: "Alignment"  # on a line of --alignment; without links if there is no such file


def translate(options: argparse.Namespace) -> None:
    """Read, translate and write as the options say."""
    if options.audio is not None:
        from numpy_transformer.commands.transcribe import transcribe

        transcribe(options)
        return
    if options.serve:
        serve_page(options)
        return
    if options.port is not None:
        raise InputError("--port only has a meaning with --serve")
    from numpy_transformer.commands.unseen_words import UnseenWords
    from numpy_transformer.decoding.alignment import pharaoh
    from numpy_transformer.terminal.progress import TranslationProgress
    from numpy_transformer.translation.streaming import WINDOW_LINES
    from numpy_transformer.translation.text_errors import TextError

    texts = argument_lines(options.text)
    check_arguments(options, texts)
    if options.score:
        check_scoring(options)
    search = search_options(options)
    paths = model_paths(options)
    translator = load_translator(options, paths)
    unseen = UnseenWords(None if options.score else known_words(paths))
    if options.model is None and sys.stderr.isatty():  # somebody watches, who named no model
        unseen.introduce()

    with ExitStack() as stack:
        progress: TranslationProgress | None = None
        window_lines = WINDOW_LINES
        if texts:
            name, lines = "TEXT", iter(texts)
        else:
            name = "standard input" if options.input is None else options.input
            file = stack.enter_context(open_input(options.input))
            lines = read_lines(file, name)
            if file.isatty():
                window_lines = 1  # answer each line before the next is typed
                unseen.introduce()
            else:
                on_terminal = options.output is None and sys.stdout is not None and sys.stdout.isatty()
                progress = stack.enter_context(TranslationProgress(size_of(file), beside_translations=on_terminal))
        done = None if progress is None else progress.add
        output = stack.enter_context(open_output(options.output))
        alignments = None if options.alignment is None else stack.enter_context(open_output(options.alignment))
        if options.score:
            stream = scored(translator, lines, window_lines, options, done)
        elif options.attention is not None or options.explain or options.trace is not None:
            stream = seen_inside(translator, texts[0], search, options)
        else:
            stream = translated(translator, lines, window_lines, name, search, options, done)
        try:
            for line in stream:
                output.write(line.text.encode("utf-8"))
                output.flush()  # a reader at the other end of a pipe should not wait
                if alignments is not None:
                    alignments.write(f"{pharaoh(line.alignment)}\n".encode())
                unseen.add(line.source)
                if window_lines == 1:  # somebody reads each answer
                    unseen.tell()
        except TextError as error:
            raise InputError(f"{name}: line {error.number} {error.reason}") from None
    unseen.tell()


def translated(
    translator: "Translator",
    lines: Iterable[str],
    window_lines: int,
    name: str,
    search: "SearchOptions",
    options: argparse.Namespace,
    done: "LinesDone | None" = None,
) -> Iterator[Written]:
    """The output for each line. Raises TextError for a line that cannot be translated."""
    from numpy_transformer.translation.streaming import translate_lines
    from numpy_transformer.translation.text_errors import TextError

    stream = translate_lines(
        translator,
        lines,
        search=search,
        workers=options.workers,
        sentences=splits_sentences(translator, options),
        window_lines=window_lines,
        alignments=options.alignment is not None,
        done=done,
    )
    for number, line in enumerate(stream, 1):
        if line.parts > 1 and (options.prefix or options.require):
            reason = "takes several parts to translate, but --prefix and --require are for one sentence: split it"
            raise TextError(number, reason)
        if line.parts > 1 and not splits_sentences(translator, options):
            note = f"{name}: line {number} is too long for the model: translated in {line.parts:,} parts"
            print(note, file=sys.stderr)
        text = "".join(format_line(hypothesis, number, options) for hypothesis in line.hypotheses)
        yield Written(line.source, text, line.hypotheses[0].alignment)


def splits_sentences(translator: "Translator", options: argparse.Namespace) -> bool:
    """Whether each sentence of a line is translated alone: as asked for, or as the model learned.

    A prefix or required terms are for the whole line.
    """
    asked_of_the_line = bool(options.prefix or options.require)
    return options.split_sentences or (translator.sentences and not asked_of_the_line)


def seen_inside(
    translator: "Translator", text: str, search: "SearchOptions", options: argparse.Namespace
) -> Iterator[Written]:
    """The output for the text; then what --explain, --attention and --trace show."""
    from numpy_transformer.data.clean_text import clean_text
    from numpy_transformer.decoding.recorder import BeamRecorder
    from numpy_transformer.seeing.drawing import check_length, save_attention
    from numpy_transformer.seeing.explain import explain
    from numpy_transformer.seeing.story import tell

    text = clean_text(text)
    recorder = None if options.sample else BeamRecorder()
    [found] = translator.search([text], search, recorder=recorder)
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
        story = tell(recorder, translator.tokenizer, alpha=search.alpha, n_best=search.n_best)
    if options.explain and story is not None:
        explain(story, sys.stderr)
    if maps is not None:
        save_attention(options.attention, text=text, translation=best.text, maps=maps, story=story)
        print(f"attention: {options.attention}", file=sys.stderr)
    if options.trace is not None:
        from numpy_transformer.translation.trace_file import save_trace  # needed by few

        print("trace: every gradient is checked by an oracle, which takes some seconds", file=sys.stderr)
        save_trace(options.trace, translator, text, options.trace_target or best.text)
        print(f"trace: {options.trace}", file=sys.stderr)


def scored(
    translator: "Translator",
    lines: Iterable[str],
    window_lines: int,
    options: argparse.Namespace,
    done: "LinesDone | None" = None,
) -> Iterator[Written]:
    """For each line `source TAB target`, the target's log-probability. Raises TextError for a line without a tab."""
    from numpy_transformer.translation.streaming import read_windows
    from numpy_transformer.translation.text_errors import TextError

    before = 0  # lines of the windows before
    for window in read_windows(lines, window_lines):
        pairs = []
        for number, line in enumerate(window, before + 1):
            columns = line.split("\t")
            if len(columns) < 2:
                raise TextError(number, "has no tab: --score reads source TAB target")
            pairs.append((columns[0], columns[1]))  # as in training data, further columns are ignored
        try:
            scores = translator.score(pairs, done=functools.partial(_tell_lines, done, window))
        except TextError as error:
            raise TextError(before + error.number, error.reason) from None
        alignments: Sequence[Alignment] = [()] * len(pairs)
        if options.alignment is not None:
            sources, targets = zip(*pairs, strict=True)
            alignments = translator.align(sources, targets)
        for line, score, alignment in zip(window, scores, alignments, strict=True):
            yield Written(line, f"{score:.4f}\n", alignment)
        before += len(window)


def _tell_lines(done: "LinesDone | None", lines: Sequence[str], numbers: Sequence[int], under_way: int) -> None:
    if done is not None:
        done([lines[number] for number in numbers], under_way)


def model_paths(options: argparse.Namespace) -> list[Path]:
    """The models that --model names, or the latest run, or the model that comes with the package.

    Among several runs it says which is the latest. Raises InputError with advice when there is no model.
    """
    from numpy_transformer.storage.run_files import run_of, runs_in
    from numpy_transformer.storage.shipped import DEFAULT, shipped_model

    if options.model is not None:
        return [shipped_model(name) or Path(name) for name in options.model]
    runs = runs_in(RUNS, with_model=True, kind="encoder-decoder")
    if runs:
        return [take_latest(runs, what="model", option="--model")]
    shipped = shipped_model(DEFAULT)
    if shipped is None:
        raise InputError(
            f"there is no trained model in {RUNS}/ yet: train one with {command('train')} (a few minutes), "
            "or name one with --model"
        )
    about = run_of(shipped).description().get("about", "it comes with the package")
    print(f"model: {DEFAULT} ({about}); a run of your own in {RUNS}/ will come first", file=sys.stderr)
    return [shipped]


def known_words(paths: Sequence[Path]) -> "KnownWords | None":
    """The words that the model, the first of several, has seen in training; None where no file tells."""
    from numpy_transformer.data.known_words import KnownWords
    from numpy_transformer.storage.run_files import run_of

    return KnownWords.load(run_of(paths[0]).words_file)


def load_translator(options: argparse.Namespace, paths: list[Path]) -> "Translator":
    """The models at `paths`, as one translator. Raises InputError if one of them cannot be used."""
    from numpy_transformer.backend.blas import limit_blas_threads
    from numpy_transformer.translation.translator import Translator

    translator = Translator.load_ensemble(paths, device=options.device, shortlist=options.shortlist)
    if options.device == "cpu":
        one_thread = options.workers > 1 or translator.model.config.d_model < WIDE_MODEL
        limit_blas_threads(1 if one_thread else 2)
    return translator


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
    check_serving(options)
    from numpy_transformer.serve import PageServer, TranslationPage, about_models, serve

    search = search_options(options)
    paths = model_paths(options)
    translator = load_translator(options, paths)
    translator.pack()  # the first to ask need not wait for it
    content = TranslationPage(translator, known=known_words(paths), search=search, about=about_models(paths))
    server = PageServer(content, port=PORT if options.port is None else options.port)
    serve(server, announce=lambda line: print(line, file=sys.stderr))


def main() -> int:
    """Entry point of `numpy-transformer-translate`."""
    return run_program(
        lambda: translate(parse_arguments(None)), less_memory="lower --batch-tokens, --beam, --max-length or --workers"
    )
