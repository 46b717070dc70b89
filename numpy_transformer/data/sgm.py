"""Test sets of the WMT conferences as they are published: SGML, one <seg> for each sentence."""

import html
import re
from pathlib import Path

from numpy_transformer.data.files import ParallelText, read_lines, unequal
from numpy_transformer.errors import InputError

_SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.IGNORECASE | re.DOTALL)


def read_segments(path: Path) -> list[str]:
    """The sentences of an .sgm file. Raises InputError if it has none."""
    segments = [html.unescape(" ".join(text.split())) for text in _SEGMENT.findall("\n".join(read_lines(path)))]
    if not segments:
        raise InputError(f"{path}: holds no <seg>: it is not a test set of WMT: download it again")
    return segments


def read_parallel_segments(source_path: Path, target_path: Path) -> ParallelText:
    """Two .sgm files with the same sentences in two languages. Raises InputError if their numbers differ."""
    sources, targets = read_segments(source_path), read_segments(target_path)
    if len(sources) != len(targets):
        raise unequal(source_path, len(sources), target_path, len(targets))
    return ParallelText(sources, targets)
