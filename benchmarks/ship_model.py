"""Make the model that comes with the package from a finished run: python benchmarks/ship_model.py RUN; see --help.

It writes numpy_transformer/shipped/tatoeba/: the weights of the run's averaged checkpoint (else of its best one) in 8
bits, with everything that translating needs, and checks that the result translates and is small enough.
docs/models.md is the model card; benchmarks/model_card.py measures its tables.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpe
from numpy_transformer.commands.export_model import export
from numpy_transformer.data.files import read_tsv
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.errors import InputError
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.program import run_program
from numpy_transformer.storage.shipped import DEFAULT, SHIPPED
from numpy_transformer.storage.text_files import read_json, write_text
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.translation.translator import Translator

LARGEST = 10_000_000  # bytes, all files together
DESCRIPTION = {
    "about": "English to German, short everyday sentences",
    "sentences": True,
    "data": "sentences of Tatoeba (https://tatoeba.org), CC BY 2.0 FR, as selected by https://www.manythings.org/anki/",
}
GREETING = "Hello!"


def ship(run: Path, folder: Path, *, average: int | None, text: Path | None) -> int:
    """Replace `folder` by the exported run; returns its size in bytes.

    average: take the mean of the run's last checkpoints instead, for a run that is not finished.
    text: what the run learned from, for its known words, if the run (of an older version) did not keep them.
    Raises InputError if the run cannot be used, or the result is too large or says nothing.
    """
    translator = load(run, average)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        made = Path(temporary) / folder.name
        export(translator, "int8", made, run=run)
        if text is not None:
            KnownWords.of(read_tsv(text).sources).save(RunFolder(made).words_file)
        config = made / "config.json"
        write_text(config, json.dumps({**read_json(config), **DESCRIPTION}, indent=2) + "\n")
        size = sum(path.stat().st_size for path in made.iterdir())
        if size > LARGEST:
            raise InputError(f"{run}: takes {size:,} bytes in 8 bits; at most {LARGEST:,} are shipped")
        if not Translator.load(made).translate([GREETING])[0]:
            raise InputError(f"{run}: translates {GREETING!r} by nothing: ship a model that has learned")
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return size


def load(run: Path, average: int | None) -> Translator:
    """The run's translator, with the mean of its last `average` checkpoints if that is given."""
    if average is None:
        return Translator.load(run)
    files = RunFolder(run)
    model, _ = files.average(Transformer, average, device="cpu")
    return Translator(model, bpe.Tokenizer.load(files.tokenizer_file))


def main() -> None:
    """Ship as the command line says."""
    parser = argparse.ArgumentParser(description="Make the shipped model from a run folder.")
    parser.add_argument("run", metavar="RUN", type=Path, help="run folder or checkpoint file")
    parser.add_argument("--average", type=int, metavar="K", help="the mean of the last K checkpoints of the run")
    parser.add_argument("--text", type=Path, metavar="FILE.tsv", help="what it learned from, if it has no words.txt")
    options = parser.parse_args()
    folder = SHIPPED / DEFAULT
    size = ship(options.run, folder, average=options.average, text=options.text)
    print(f"{folder}: {size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_program(main))
