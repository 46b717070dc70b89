"""The tokenizer's own file: readable JSON with the merges and what cannot be derived from them.

{
 "format": "bpe-tokenizer-1",
 "pattern": "...",
 "special_tokens": {"<pad>": 0, "<bos>": 1, "<eos>": 2},
 "protected_terms": [],
 "token_ids": null,
 "digest": "SHA-256 of all the other values",
 "merges": [
  "Ġ t",
  "h e",
  ...

Each merge is its two parts, in the byte alphabet (see pretokenizer.py), separated by a space. A tokenizer that was
made elsewhere may need two entries more, "term_options" and "normalization"; its format is "bpe-tokenizer-2", so that
no program that does not know them reads it.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from os import PathLike
from typing import Any, BinaryIO, TypedDict

from . import files
from .errors import TokenizerError
from .pretokenizer import byte_alphabet, spell

FORMAT = "bpe-tokenizer-1"
FORMAT_WITH_OPTIONS = "bpe-tokenizer-2"
LONGEST_FILE = 1 << 28  # bytes; a vocabulary of a million tokens has some 50 MB


class Definition(TypedDict):
    """Everything that a tokenizer is made from; the arguments of `Tokenizer`."""

    pattern: str
    special_tokens: dict[str, int]
    protected_terms: list[str]
    token_ids: list[int] | None
    term_options: dict[str, list[str]]
    normalization: str | None
    merges: list[tuple[bytes, bytes]]


def save(definition: Definition, path: str | PathLike[str]) -> None:
    """Write a definition, whole or not at all."""
    document = _document(definition)
    document["digest"] = _digest(document)
    document["merges"] = document.pop("merges")  # last, since it is long
    write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", path)


def load(path: str | PathLike[str]) -> tuple[Definition, str]:
    """Read a definition and its digest. Raises TokenizerError for a file that is missing, wrong or changed."""
    document = read_json(path)
    if document.get("format") not in (FORMAT, FORMAT_WITH_OPTIONS):
        hint = "; read it with bpe.formats.read_huggingface" if "model" in document else ""
        raise TokenizerError(f'{path} is not a bpe tokenizer: it lacks "format": "{FORMAT}"{hint}')
    _check_types(document, path)
    digest = document.pop("digest")
    if digest != _digest(document):
        raise TokenizerError(
            f"{path} was changed or damaged: its content does not match its digest; restore it from a copy"
        )
    definition: Definition = {
        "pattern": document["pattern"],
        "special_tokens": document["special_tokens"],
        "protected_terms": document["protected_terms"],
        "token_ids": document["token_ids"],
        "term_options": document.get("term_options", {}),
        "normalization": document.get("normalization"),
        "merges": parse_merges(document["merges"], path),
    }
    return definition, digest


def digest(definition: Definition) -> str:
    """Return the SHA-256 of a definition, as 64 hexadecimal digits."""
    return _digest(_document(definition))


def parse_merges(lines: list[str], path: str | PathLike[str]) -> list[tuple[bytes, bytes]]:
    """Return the byte strings of merges spelled "left right" in the byte alphabet."""
    spelled = {character: bytes([byte]) for byte, character in enumerate(byte_alphabet())}
    merges = []
    for number, line in enumerate(lines):
        try:
            left, right = line.split(" ")
            pair = spelled[left], spelled[right]
        except ValueError:
            raise TokenizerError(f"{path}: merge {number}, {line!r}, is not two parts with a space between") from None
        except KeyError as error:
            raise TokenizerError(
                f"{path}: merge {number}, {line!r}: {error.args[0]!r} is neither one byte nor made by an earlier merge"
            ) from None
        spelled[left + right] = pair[0] + pair[1]
        merges.append(pair)
    return merges


def read_text(path: str | PathLike[str]) -> str:
    """Read a UTF-8 file. Raises TokenizerError naming the file, and the line where it is not UTF-8."""
    try:
        data = files.read_at_most(path, LONGEST_FILE)
    except OSError as error:
        raise TokenizerError(f"cannot read {path}: {error.strerror}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TokenizerError(f"{path}, line {line}: not UTF-8 text") from None


def read_json(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a JSON file that holds an object."""
    text = read_text(path)
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise TokenizerError(f"{path}, line {error.lineno}: not JSON ({error.msg}); restore it from a copy") from None
    except (RecursionError, ValueError):
        raise TokenizerError(f"{path}: not a tokenizer file (nested too deeply, or a number too long)") from None
    if not isinstance(document, dict):
        raise TokenizerError(f"{path}: not a tokenizer file (not a JSON object)")
    return document


def write_text(text: str, path: str | PathLike[str]) -> None:
    """Write a UTF-8 file, whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))


@contextlib.contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing, as files.whole_file does. Raises TokenizerError if it cannot be written."""
    try:
        with files.whole_file(path) as file:
            yield file
    except BrokenPipeError:  # of standard output: no file is a pipe
        raise
    except OSError as error:
        raise TokenizerError(f"cannot write {path}: {error.strerror}") from None


def _document(definition: Definition) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if definition["term_options"] or definition["normalization"]:
        options = {"term_options": definition["term_options"], "normalization": definition["normalization"]}
    return {
        "format": FORMAT_WITH_OPTIONS if options else FORMAT,
        "pattern": definition["pattern"],
        "special_tokens": definition["special_tokens"],
        "protected_terms": definition["protected_terms"],
        "token_ids": definition["token_ids"],
        **options,
        "merges": [f"{spell(left)} {spell(right)}" for left, right in definition["merges"]],
    }


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode("ascii")).hexdigest()


def _check_types(document: dict[str, Any], path: str | PathLike[str]) -> None:
    def is_list_of(value: object, kind: type) -> bool:
        return isinstance(value, list) and all(type(item) is kind for item in value)

    special_tokens = document.get("special_tokens")
    term_options = document.get("term_options", {})
    valid = {
        "pattern": isinstance(document.get("pattern"), str),
        "special_tokens": isinstance(special_tokens, dict) and is_list_of(list(special_tokens.values()), int),
        "protected_terms": is_list_of(document.get("protected_terms"), str),
        "token_ids": document.get("token_ids", "") is None or is_list_of(document.get("token_ids"), int),
        "term_options": isinstance(term_options, dict) and all(is_list_of(o, str) for o in term_options.values()),
        "normalization": isinstance(document.get("normalization", ""), str | None),
        "digest": isinstance(document.get("digest"), str),
        "merges": is_list_of(document.get("merges"), str),
    }
    for name, is_valid in valid.items():
        if not is_valid:
            raise TokenizerError(f"{path}: {name!r} is missing or invalid for a bpe tokenizer")
