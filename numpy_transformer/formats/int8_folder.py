"""A trained model in a quarter of its size: a folder that this program reads like a run, without what training needs.

    model.safetensors   the weights of the run's best checkpoint, 8 bits with a scale per row (storage/int8_rows.py),
                        and 1.6 bits in the matrices of a model with ternary weights (storage/trits.py)
    tokenizer.json      its vocabulary
    config.json         its languages
    words.txt           the words it has seen
    samples.txt         the sentences that the run was last tested with: the page offers some of them to try

Nothing in it tells where it was trained: options that name files stay behind.
"""

import json
from pathlib import Path

from bpe import Tokenizer
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.int8_rows import to_int8
from numpy_transformer.storage.run_files import RunFiles
from numpy_transformer.storage.tensors import save_tensors
from numpy_transformer.storage.text_files import write_text
from numpy_transformer.storage.trits import to_trits


def write_int8_folder(model: Transformer, tokenizer: Tokenizer, folder: Path, *, run: RunFiles | None = None) -> None:
    """Write the model, and what its run (if there is one) says of its languages, words and samples, into the folder.

    Raises InputError for weights that are not finite, or a file that cannot be written.
    """
    made, model = RunFiles(folder), model.quantised()
    metadata = {"config": model.config.to_json(), "tokenizer": tokenizer.digest}
    save_tensors(made.model_file, to_int8(to_trits(model.host_tensors())), metadata)
    tokenizer.save(made.tokenizer_file)
    if run is None:
        return
    write_text(made.config_file, json.dumps({"options": run.languages()}, indent=2) + "\n")
    if run.words_file.is_file():
        write_text(made.words_file, run.words_file.read_text(encoding="utf-8"))
    if run.samples_file.is_file():
        last = run.samples_file.read_text(encoding="utf-8", errors="replace").rstrip("\n").split("\n\n")[-1]
        write_text(made.samples_file, last + "\n\n")
