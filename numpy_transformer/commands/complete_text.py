"""Go on with a text: python -m numpy_transformer.complete "PROMPT" [options]; see --help."""

import argparse
import sys

from bpe.arguments import CommandParser
from numpy_transformer.commands.draw_attention import draw_attention
from numpy_transformer.commands.latest import named_or_latest
from numpy_transformer.commands.text_lines import check_text
from numpy_transformer.commands.translation_options import PORT
from numpy_transformer.decoding.token_by_token import Sampling
from numpy_transformer.errors import InputError
from numpy_transformer.program import add_version
from numpy_transformer.seeing.drawing import check_format
from numpy_transformer.tasks.completion import Completer
from numpy_transformer.tasks.opening import open_language_model


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog="python -m numpy_transformer.complete", description="A language model goes on with a text."
    )
    add_version(parser)
    add = parser.add_argument
    add("prompt", metavar="PROMPT", nargs="?", help="the beginning of the text")
    add("--model", metavar="MODEL", help="run folder, checkpoint, or a GPT-2 folder (the latest run of a decoder)")
    add("--length", type=int, default=200, metavar="N", help="tokens to add at most (%(default)s)")
    add("--n", type=int, default=1, metavar="N", help="how many completions (%(default)s)")
    add("--greedy", action="store_true", help="always the most probable token, instead of drawing one")
    add("--temperature", type=float, metavar="T", help="below 1 safer, above 1 bolder (0.8)")
    add("--top-k", type=int, metavar="K", help="draw from the K most probable tokens only")
    add("--top-p", type=float, metavar="P", help="draw from the most probable tokens that together reach P only")
    add("--seed", type=int, metavar="N", help="of the draws (0)")
    add("--attention", metavar="FILE", help="draw what each token looks back at: .png or .html")
    add("--serve", action="store_true", help="complete texts on a web page, for this computer only")
    add("--port", type=int, metavar="N", help=f"of the page; 0 for any free one ({PORT})")
    add("--device", choices=("cpu", "gpu"), default="cpu", help="cpu (NumPy, default) or gpu (CuPy)")
    return parser.parse_args(arguments)


def sampling_of(options: argparse.Namespace) -> Sampling | None:
    """How tokens are drawn; None for greedy. Raises InputError for options that contradict each other."""
    given = {name: getattr(options, name) for name in ("temperature", "top_k", "top_p", "seed")}
    given = {name: value for name, value in given.items() if value is not None}
    if options.greedy:
        if given or options.n > 1:
            raise InputError("--greedy gives one text: leave out --temperature, --top-k, --top-p, --seed and --n")
        return None
    return Sampling(**{"temperature": 0.8, **given})


def serve_page(options: argparse.Namespace) -> None:
    """Complete texts on a web page until Ctrl-C. Raises InputError for options that only the terminal has."""
    for name in ("prompt", "greedy", "temperature", "top_k", "top_p", "seed", "attention"):
        if getattr(options, name) not in (None, False):
            shown = "PROMPT" if name == "prompt" else "--" + name.replace("_", "-")
            raise InputError(f"{shown} has no meaning with --serve: the page asks for it")
    from numpy_transformer.serve import CompletionPage, PageServer, about_models, serve

    path = named_or_latest(options.model, kind="decoder")
    completer = Completer(*open_language_model(path, device=options.device))
    content = CompletionPage(completer, about=about_models([path]))
    server = PageServer(content, port=PORT if options.port is None else options.port)
    serve(server, announce=lambda line: print(line, file=sys.stderr))


def main(arguments: list[str] | None = None) -> None:
    """Complete as the command line says: prompt and completion on standard output, as they come."""
    options = parse_arguments(arguments)
    if options.serve:
        serve_page(options)
        return
    if options.port is not None:
        raise InputError("--port is of the page: give --serve, too")
    if options.prompt is None:
        raise InputError("give a PROMPT, the beginning of a text, or --serve")
    sampling = sampling_of(options)
    prompt = check_text(options.prompt, "PROMPT")
    if options.attention is not None:
        check_format(options.attention)
        if options.n > 1:
            raise InputError("--attention draws one text: leave out --n")
    completer = Completer(*open_language_model(named_or_latest(options.model, kind="decoder"), device=options.device))
    pieces = completer.stream(prompt, length=options.length, sampling=sampling, texts=options.n)
    if options.n == 1:
        waiting, added = prompt, ""  # the prompt appears only when it is known to be possible
        for [piece] in pieces:
            sys.stdout.write(waiting + piece)
            sys.stdout.flush()
            waiting, added = "", added + piece
        print(waiting)
        if options.attention is not None:
            draw_attention(options.attention, completer.attention(prompt + added), text=prompt, found=added)
        return
    for number, parts in enumerate(zip(*pieces, strict=True), 1):
        print(f"--- {number}\n{prompt}{''.join(parts)}")
