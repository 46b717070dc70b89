"""Build the book: python docs/build.py. It trains a small translator once, runs every chapter and makes a site of all.

    docs/_build/notebooks    the chapters as Jupyter notebooks, with what they printed and drew
    docs/_build/site         the site; open index.html, or run python docs/serve.py

A warning, a failing cell, or a number in the prose that the code does not confirm ends the build with an error. What a
chapter computed is kept while neither its text nor any code has changed; --fresh computes everything anew.
"""

import argparse
import hashlib
import multiprocessing
import os
import re
import shutil
import sys
import time
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
BUILD = DOCS / "_build"
sys.path.insert(0, str(ROOT))

COLOURS = "\x1b\\[[0-9;]*m"  # of a terminal
OF_THE_SITE = ("reference.py", "site.py")  # no chapter uses these
SECONDS_PER_CHAPTER = 600  # a chapter takes some seconds; only a loop without end takes this long


def main() -> int:
    """Build what the command line says; 1 if something failed."""
    parser = argparse.ArgumentParser(description="Build the book: site and notebooks.")
    parser.add_argument("--fresh", action="store_true", help="run every chapter again, and train again")
    parser.add_argument("--only", metavar="NAME", help="run only the chapters whose file names contain NAME")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="chapters that run at once (2)")
    arguments = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    started = time.monotonic()
    if arguments.fresh:
        shutil.rmtree(BUILD, ignore_errors=True)
    train()
    report(started, "the small translator is trained")
    if not run_chapters(arguments.only or "", arguments.workers):
        return 1
    report(started, "all chapters have run")
    if arguments.only:
        return 0
    status = make_site()
    report(started, f"site: {BUILD / 'site' / 'index.html'}" if status == 0 else "the site was not built")
    return status


def report(started: float, text: str) -> None:
    """A line with the time since the beginning."""
    print(f"{time.monotonic() - started:5.0f} s  {text}", flush=True)


def train() -> None:
    """Train the translator that the chapters share, unless it is there."""
    from docs.bookshelf.minute import trained

    trained()


def run_chapters(only: str, workers: int) -> bool:
    """Run the chapters that changed, several at once; whether all went well."""
    chapters = sorted(path for path in (DOCS / "book").glob("*.md") if only in path.name)
    folder = BUILD / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    if not only:
        for stale in {path.stem for path in folder.glob("*.ipynb")} - {path.stem for path in chapters}:
            (folder / f"{stale}.ipynb").unlink()
    code = code_digest()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        failures = [text for text in pool.starmap(run_chapter, [(path, folder, code) for path in chapters], 1) if text]
    for text in failures:
        print(text, file=sys.stderr)
    return not failures


def code_digest() -> str:
    """Changes whenever any code does that a chapter may use."""
    digest = hashlib.sha256()
    for folder in ("numpy_transformer", "bpe", "docs/bookshelf"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name not in OF_THE_SITE:
                digest.update(path.read_bytes())
    return digest.hexdigest()


def run_chapter(path: Path, folder: Path, code: str) -> str:
    """Write the chapter's notebook with its results; what went wrong, or ""."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    from docs.bookshelf.chapters import notebook

    text = path.read_text(encoding="utf-8")
    digest = hashlib.sha256((code + text).encode()).hexdigest()
    place = folder / f"{path.stem}.ipynb"
    if place.exists() and nbformat.read(place, as_version=4).metadata.get("of") == digest:
        return ""
    started = time.monotonic()
    book = notebook(text)
    client = NotebookClient(
        book,
        timeout=SECONDS_PER_CHAPTER,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return f"{path.relative_to(ROOT)}: {re.sub(COLOURS, '', str(error))}"
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # when it ran
    book.metadata["of"] = digest
    nbformat.write(book, place)
    print(f"    {time.monotonic() - started:5.1f} s  {path.name}", flush=True)
    return ""


def make_site() -> int:
    """Write the site's sources and let Sphinx make pages of them, with warnings as errors."""
    from sphinx.cmd.build import main as sphinx

    from docs.bookshelf.site import Site, SiteError

    source, site = BUILD / "source", BUILD / "site"
    try:
        Site(source).write(BUILD / "notebooks")
    except SiteError as error:
        print(error, file=sys.stderr)
        return 1
    shutil.rmtree(site, ignore_errors=True)
    doctrees = BUILD / "doctrees"
    options = ["-b", "html", "-W", "--keep-going", "-q", "-j", "2", "-c", str(DOCS), "-d", str(doctrees)]
    return sphinx([*options, str(source), str(site)])


if __name__ == "__main__":
    sys.exit(main())
