"""Write a trained model in another format: python -m numpy_transformer.export --to FORMAT RUN OUT; see --help."""

import argparse
import sys
from pathlib import Path

from bpe import Tokenizer
from bpe.arguments import CommandParser
from bpe.formats import write_huggingface
from numpy_transformer.errors import InputError
from numpy_transformer.formats.int8_folder import write_int8_folder
from numpy_transformer.formats.marian_export import write_marian
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.program import add_version
from numpy_transformer.storage.atomic import atomic_folder
from numpy_transformer.storage.run_files import RunFiles, run_of
from numpy_transformer.storage.trits import scale_of
from numpy_transformer.translation.translator import Translator

FORMATS = {
    "ctranslate2": "a folder for ctranslate2.Translator",
    "pytorch": "weights and a module of torch.nn parts that loads them",
    "gpt2": "a language model as a GPT-2 folder for transformers",
    "bert": "an encoder as a BERT folder for transformers",
    "onnx": "an encoder and a decoder graph for ONNX Runtime and others",
    "marian": "a Marian model for transformers, if the run went on from one",
    "int8": "a folder for translate.py --model, a quarter of the size: weights of 8 bits with a scale per row",
    "ternary": "the same of a run with --weights ternary, an eighth of the size: 1.6 bits for each ternary weight",
}
FEW_BITS = ("int8", "ternary")  # one folder; the second name makes sure that the weights are ternary


def export(translator: Translator, to: str, out: str | Path, *, run: str | Path | None = None) -> None:
    """Write the folder `out`, which must not exist yet and appears only when it is complete.

    run: where the model comes from; "int8" and "ternary" take its languages and samples along.

    Raises InputError if the folder cannot be written, or a package is missing that the format needs.
    """
    out = Path(out)
    if out.exists():
        raise InputError(f"{out} exists already: name a new folder")
    with atomic_folder(out) as folder:
        _write(translator, to, folder, run)


def _write(translator: Translator, to: str, folder: Path, run: str | Path | None) -> None:
    model, tokenizer = translator.model, translator.tokenizer
    if to == "marian":
        if not isinstance(tokenizer, MarianTokenizer):
            raise InputError(
                "--to marian is for models that were fine-tuned from a Marian model: choose another format"
            )
        write_marian(model, tokenizer, folder)
        return
    if not isinstance(tokenizer, Tokenizer):
        raise InputError("this model was imported: use the files it came from, only models trained here are exported")
    if to == "ternary" and not any(scale_of(tensor) for tensor in model.host_tensors().values()):
        raise InputError(
            "--to ternary: the model has no ternary weights: train it with --weights ternary, or write 8 bits with "
            "--to int8"
        )
    if to in FEW_BITS:
        write_int8_folder(model, tokenizer, folder, run=None if run is None else run_of(run))
        return
    try:
        if to == "ctranslate2":
            from numpy_transformer.formats.ctranslate2 import write_ctranslate2

            write_ctranslate2(model, tokenizer, folder)
        elif to == "onnx":
            from numpy_transformer.formats.onnx import write_onnx

            write_onnx(model, folder)
        else:
            from numpy_transformer.formats.pytorch import write_pytorch

            write_pytorch(model, folder)
    except ModuleNotFoundError as error:
        package = (error.name or to).partition(".")[0]
        raise InputError(f"--to {to} needs the package {package}: pip install {package}") from None
    write_huggingface(tokenizer, folder / "tokenizer.json")


def export_one_stack(run: str | Path, to: str, out: str | Path) -> None:
    """Write the language model of a run as a GPT-2 folder, its encoder as a BERT folder; otherwise as `export`.

    Raises InputError for a model that the format cannot express.
    """
    from numpy_transformer.formats.bert import write_bert
    from numpy_transformer.formats.gpt2 import write_gpt2
    from numpy_transformer.tasks.opening import open_encoder, open_language_model

    out = Path(out)
    if out.exists():
        raise InputError(f"{out} exists already: name a new folder")
    model, tokenizer = (open_language_model if to == "gpt2" else open_encoder)(run)
    with atomic_folder(out) as folder:
        if isinstance(model, LanguageModel):
            write_gpt2(model, tokenizer, folder)
            return
        write_bert(model, folder)
        if isinstance(tokenizer, Tokenizer):
            write_huggingface(tokenizer, folder / "tokenizer.json")
        else:
            tokenizer.save(folder)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog="python -m numpy_transformer.export",
        description="Write a trained model for other programs, or in a quarter of its size.",
    )
    add_version(parser)
    formats = "; ".join(f"{name}: {what}" for name, what in FORMATS.items())
    parser.add_argument("--to", choices=FORMATS, required=True, help=formats)
    parser.add_argument("run", metavar="RUN", help="run folder or checkpoint file")
    parser.add_argument("out", metavar="OUT", help="the folder to make")
    return parser.parse_args(arguments)


def main() -> None:
    """Export as the command line says."""
    options = parse_arguments(None)
    if options.to in ("gpt2", "bert"):
        export_one_stack(options.run, options.to, options.out)
        what = ""
    else:
        translator = Translator.load(options.run)
        export(translator, options.to, options.out, run=options.run)
        what = _sizes(translator, options.out) if options.to in FEW_BITS else ""
    print(f"{options.out}: {FORMATS[options.to]}{what}", file=sys.stderr)


def _sizes(translator: Translator, out: str) -> str:
    """What the weights of an exported folder take, and what they would take in float32."""
    size, count = RunFiles(out).model_file.stat().st_size, translator.model.parameters.flat.size
    return f"\n{out}: {count:,} weights in {size / 1e6:.2f} MB; float32 would take {4 * count / 1e6:.2f} MB"
