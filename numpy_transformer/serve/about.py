"""What the page says about a model, from the folder of its run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy_transformer.storage.run_files import RunFiles, run_of

EXAMPLES = 4
LONGEST_EXAMPLE = 60  # characters
SOURCE = "source "  # marks a source sentence in samples.txt


@dataclass(frozen=True)
class About:
    """Name, languages (codes such as "en" and "de", None if unknown) and sentences to try."""

    name: str
    languages: tuple[str | None, str | None] = (None, None)
    examples: Sequence[str] = ()


def about_models(paths: Sequence[Path]) -> About:
    """Describe run folders, checkpoints in them, or other models; the first gives the languages and the examples."""
    run = run_of(paths[0])
    languages = run.languages()
    return About(
        " + ".join(path.resolve().name for path in paths),
        (languages.get("source"), languages.get("target")),
        _examples(run),
    )


def _examples(run: RunFiles) -> list[str]:
    """Short sentences of those that the run was last tested with: a small model knows few others."""
    try:
        samples = run.samples_file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    last = samples.rstrip("\n").split("\n\n")[-1]
    sources = (line.removeprefix(SOURCE).strip() for line in last.split("\n") if line.startswith(SOURCE))
    return [source for source in dict.fromkeys(sources) if 0 < len(source) <= LONGEST_EXAMPLE][:EXAMPLES]
