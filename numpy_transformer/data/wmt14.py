"""WMT14: what the paper trained on, English-German (4.5 million pairs) and English-French (36 million).

Nothing is downloaded: the archives have gigabytes, and terms of their own (statmt.org/wmt14/translation-task.html).
Unpack them into one folder, and name it with --data-dir:

    statmt.org/wmt13/training-parallel-europarl-v7.tgz     training/europarl-v7.de-en.de ...
    statmt.org/wmt13/training-parallel-commoncrawl.tgz     commoncrawl.de-en.de ...
    statmt.org/wmt14/training-parallel-nc-v9.tgz           training/news-commentary-v9.de-en.de ...
    statmt.org/wmt14/dev.tgz                               dev/newstest2013.de ...: for validation
    statmt.org/wmt14/test-full.tgz                         test-full/newstest2014-deen-src.en.sgm ...: the test
    statmt.org/wmt13/training-parallel-un.tgz              un/undoc.2000.fr-en.fr ...: French only
    statmt.org/wmt10/training-giga-fren.tar                giga-fren.release2.fixed.fr.gz ...: French only

Every file may be plain, .gz or .xz, and may lie in the folder itself, in its folder wmt14, or in the archives' folders.
"""

import os
from pathlib import Path

from numpy_transformer.data.corpus_files import CorpusFiles
from numpy_transformer.data.files import find_text_file
from numpy_transformer.data.multi30k import DATA_VARIABLE
from numpy_transformer.data.pair_files import PairFile
from numpy_transformer.errors import InputError

PAGE = "https://www.statmt.org/wmt14/translation-task.html"
TRAINING = {
    "de": ("europarl-v7.de-en", "commoncrawl.de-en", "news-commentary-v9.de-en"),
    "fr": (
        "europarl-v7.fr-en",
        "commoncrawl.fr-en",
        "undoc.2000.fr-en",
        "news-commentary-v9.fr-en",
        "giga-fren.release2.fixed",
    ),
}
VALIDATION, TEST = "newstest2013", "newstest2014"
TEST_PAIRS = {"de": "deen", "fr": "fren"}
FOLDERS = ("", "training", "dev", "test-full", "un")  # as the archives unpack


def wmt14_files(source: str, target: str, data_directory: str | Path | None) -> CorpusFiles:
    """The corpus's files in `data_directory`, or else in the folder that NUMPY_TRANSFORMER_DATA names.

    Raises InputError for other languages, and if a file is missing: less text would be another corpus.
    """
    others = {source, target} - {"en"}
    if {source, target} not in ({"en", "de"}, {"en", "fr"}):
        raise InputError(
            f"--source {source} --target {target}: of wmt14, this program knows English with German or French: "
            "give en and de, or en and fr, in either order"
        )
    directory = data_directory if data_directory is not None else os.environ.get(DATA_VARIABLE)
    if not directory:
        raise InputError(
            f"--data wmt14: download its archives ({PAGE}; docs/large_corpora.md lists them), unpack them into one "
            f"folder, and name that with --data-dir or {DATA_VARIABLE}"
        )
    (other,) = others
    pair = TEST_PAIRS[other]

    def find(*names: tuple[str, str]) -> PairFile:
        """The first of some pairs of names that has both files."""
        for sides in names:
            paths = [_find(Path(directory), name) for name in sides]
            if paths[0] and paths[1]:
                return PairFile(str(paths[0].with_suffix("")), paths[0], paths[1])
        raise InputError(
            f"{directory}: lacks {' or '.join(names[0])} of wmt14, plain, .gz or .xz: unpack the archive that holds "
            f"them there ({PAGE})"
        )

    def sides(stem: str) -> tuple[str, str]:
        return f"{stem}.{source}", f"{stem}.{target}"

    def segments(stem: str) -> tuple[str, str]:
        return f"{stem}-src.{source}.sgm", f"{stem}-ref.{target}.sgm"

    return CorpusFiles(
        "wmt14",
        tuple(find(sides(stem)) for stem in TRAINING[other]),
        (find(sides(VALIDATION), segments(VALIDATION)),),
        (find(sides(TEST), segments(f"{TEST}-{pair}")),),
        valid_name=VALIDATION,
        test_name=TEST,
    )


def _find(directory: Path, name: str) -> Path | None:
    folders = [directory / top / folder for top in ("", "wmt14") for folder in FOLDERS]
    return next((path for folder in folders if (path := find_text_file(folder, name))), None)
