"""Text in one language, for the models of one stack: a stream, lines whose words are masked, labelled texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpe
from numpy_transformer.data.clean_text import clean_letters, clean_text
from numpy_transformer.data.corpora import PHRASEBOOK_TRAIN_SIZE, Corpus, hold_out
from numpy_transformer.data.corpus_files import HELD_OUT_LIMIT
from numpy_transformer.data.files import COMPRESSED_SUFFIXES, ParallelText, read_lines, read_tsv
from numpy_transformer.errors import InputError

HELD_OUT_STREAM = 0.1  # of a stream: its end
HELD_OUT_LINES = 0.02
HELD_OUT_LABELLED = 0.1  # of labelled texts, which are few
EACH_CHARACTER = r"(?s:.)"  # a split pattern: every character is a pre-token of its own
MASK = "<mask>"


@dataclass(frozen=True)
class PlainCorpus:
    """Texts for training and validation: whole lines, or one long text each. `notes` are sentences for the user."""

    name: str
    train: list[str]
    valid: list[str]
    notes: tuple[str, ...] = ()


def load_stream(data: str, *, data_directory: str | Path | None = None, seed: int = 0) -> PlainCorpus:
    """One long text for training, and its end for validation: "shakespeare", the English of "phrasebook", or FILE.txt.

    Raises InputError, naming the file and the remedy, for what cannot be read, and for a text too short to be split.
    """
    if data == "shakespeare":
        from numpy_transformer.data.shakespeare import shakespeare_text

        return _split_end(data, shakespeare_text(data_directory))
    if data == "phrasebook":
        train, valid = _phrasebook_english(seed)
        return PlainCorpus(data, ["\n".join(train) + "\n"], ["\n".join(valid) + "\n"])
    lines = read_lines(_text_file(data, data_directory))
    return _split_end(data, clean_letters("\n".join(lines) + "\n"))


def load_lines(data: str, *, data_directory: str | Path | None = None, seed: int = 0) -> PlainCorpus:
    """Lines for training, and others for validation: the English of "phrasebook", or FILE.txt with one text per line.

    Raises InputError as `load_stream` does.
    """
    if data == "phrasebook":
        train, valid = _phrasebook_english(seed)
        return PlainCorpus(data, train, valid)
    lines = [line for line in map(clean_text, read_lines(_text_file(data, data_directory))) if line]
    text = ParallelText(lines, lines)
    count = min(HELD_OUT_LIMIT, max(1, int(len(lines) * HELD_OUT_LINES)))
    held_out, rest = hold_out(text, count, seed)
    if not rest:
        raise InputError(f"{data}: has too few different lines to hold some out for validation: give a larger file")
    return PlainCorpus(
        data, rest.sources, held_out.sources, (f"{data}: {len(held_out):,} lines held out for validation",)
    )


def load_labelled(
    data: str, *, data_directory: str | Path | None = None, validation: str | None = None, seed: int = 0
) -> Corpus:
    """Texts (sources) and their labels (targets), from FILE.tsv or a folder with train.tsv: lines of label TAB text.

    `validation` names a second such file; a folder may hold valid.tsv and test.tsv. What is missing of validation is
    held out. Raises InputError for a label that occurs once, a single label, or one that the training text lacks.
    """
    path = Path(data_directory or "", data)
    notes: list[str] = []
    files = {"train": path, "valid": None, "test": None}
    if path.is_dir():
        files = {name: _tsv_in(path, name) for name in files}
        if files["train"] is None:
            raise InputError(f"{path}: holds no train.tsv, plain, .gz or .xz: add it, or name a FILE.tsv")
    if validation is not None:
        files["valid"] = Path(data_directory or "", validation)

    def read(name: str) -> ParallelText:
        file = files[name]
        if file is None:
            return ParallelText([], [])
        pairs = read_tsv(file)
        labels, texts = list(map(clean_text, pairs.sources)), list(map(clean_text, pairs.targets))
        kept = [i for i in range(len(pairs)) if labels[i] and texts[i]]
        if len(kept) < len(pairs):
            notes.append(f"{file}: {len(pairs) - len(kept):,} lines without a label or a text left out")
        return ParallelText([texts[i] for i in kept], [labels[i] for i in kept])

    train, valid, test = read("train"), read("valid"), read("test")
    counts = {label: train.targets.count(label) for label in dict.fromkeys(train.targets)}
    once = [label for label, count in counts.items() if count == 1]
    if len(counts) < 2:
        raise InputError(f"{files['train']}: has {len(counts)} label(s); a classifier needs two: label TAB text")
    if once:
        raise InputError(
            f"{files['train']}: the label {once[0]!r} occurs once ({len(once)} such): a class needs several texts; is "
            "each line label TAB text, in this order?"
        )
    for name, text in (("valid", valid), ("test", test)):
        for label in text.targets:
            if label not in counts:
                raise InputError(f"{files[name]}: the label {label!r} does not occur in the training text: correct it")
    if not len(valid):
        valid, train = _hold_out_labelled(train, max(len(counts), int(len(train) * HELD_OUT_LABELLED)), seed)
        notes.append(f"{data}: {len(valid):,} texts held out for validation")
    return Corpus(path.name, "text", "label", train, valid, test, tuple(notes))


def tokenizer_for_stream(units: str, corpus: PlainCorpus, vocabulary: int) -> bpe.Tokenizer:
    """Tokens that are "bytes", "characters" or "bpe".

    A tokenizer of characters has all bytes, and merges that put the bytes of the text's other characters together; so
    a character that it has not seen is several tokens, and no text is refused.
    """
    if units == "bpe":
        return bpe.train(corpus.train, vocabulary_size=vocabulary)
    merges: dict[tuple[bytes, bytes], None] = {}
    if units == "characters":
        for character in sorted({character for text in corpus.train for character in text}):
            spelled = character.encode("utf-8", "surrogatepass")
            for end in range(1, len(spelled)):
                merges[spelled[:end], spelled[end : end + 1]] = None
    return bpe.Tokenizer(list(merges), pattern=EACH_CHARACTER)


def tokenizer_for_reading(texts: Sequence[str], vocabulary: int) -> bpe.Tokenizer:
    """BPE tokens and <mask>."""
    return bpe.train(texts, vocabulary_size=vocabulary, special_tokens=(*bpe.DEFAULT_SPECIAL_TOKENS, MASK))


def _phrasebook_english(seed: int) -> tuple[list[str], list[str]]:
    from numpy_transformer.data import phrasebook  # imported here, because its tables are large

    train, valid, _ = phrasebook.split(PHRASEBOOK_TRAIN_SIZE // 3, seed=seed)
    return [pair.source for pair in train], [pair.source for pair in valid]


def _text_file(data: str, data_directory: str | Path | None) -> Path:
    path = Path(data_directory or "", data)
    if path.is_dir() or ".tsv" in path.suffixes:
        raise InputError(f"--data {data}: is no plain text: give FILE.txt, phrasebook or (a decoder) shakespeare")
    return path


def _tsv_in(folder: Path, name: str) -> Path | None:
    candidates = (folder / f"{name}.tsv{suffix}" for suffix in ("", *COMPRESSED_SUFFIXES))
    return next((path for path in candidates if path.is_file()), None)


def _split_end(name: str, text: str) -> PlainCorpus:
    cut = int(len(text) * (1 - HELD_OUT_STREAM))
    train, valid = text[:cut], text[cut:]
    if len(text.strip()) < 200 or len(text.strip().split("\n")) < 2:
        raise InputError(f"{name}: is too short to learn from ({len(text.strip())} characters): give a longer text")
    return PlainCorpus(name, [train], [valid], (f"{name}: the last {HELD_OUT_STREAM:.0%} held out for validation",))


def _hold_out_labelled(text: ParallelText, count: int, seed: int) -> tuple[ParallelText, ParallelText]:
    """(held out, rest): whole texts, in an order that their words and the seed give; equal ones stay together."""
    unique = ParallelText(text.sources, [f"{i}" for i in range(len(text))])
    held, _ = hold_out(unique, count, seed)
    chosen = set(held.sources)
    parts = [
        [(source, label) for source, label in zip(text.sources, text.targets, strict=True) if (source in chosen) == out]
        for out in (True, False)
    ]
    valid, train = (ParallelText([s for s, _ in part], [t for _, t in part]) for part in parts)
    return valid, train
