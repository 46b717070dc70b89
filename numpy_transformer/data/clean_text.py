"""What counts as the same text, for training, translation and constraints alike.

A sentence keeps its meaning whatever surrounds it in a file, and however its letters are stored. So wherever a text
enters, as a line of a file, an argument, a call or a request, it becomes

    1. without byte order marks (U+FEFF): joined files have them in their middle, too;
    2. with composed letters: "u" and U+0308 become "ü" (NFC, the canonical composition of Unicode Standard Annex 15);
    3. without the white space around it, line ends among it.

What stands inside a text stays. The tokenizer itself (bpe) changes nothing: it gives back every text exactly.

>>> clean_text("\\ufeff  Gru\\u0308\\u00dfe \\r\\n")
'Grüße'
"""

import unicodedata

import regex

BYTE_ORDER_MARK = "\ufeff"
# No language stacks so many marks. Composing sorts each run of marks, which takes time with the square of its length,
# so longer runs stay as they are.
_MANY_MARKS = regex.compile(r"(\p{M}{64,}+)")


def clean_text(text: str) -> str:
    """The text as models see it; a blank one becomes "". Cleaning twice changes nothing more."""
    return composed(text.replace(BYTE_ORDER_MARK, "")).strip()


def writable(text: str) -> str:
    """The text for a person to read: half a surrogate pair, which no file or terminal accepts, becomes "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def composed(text: str) -> str:
    """The text in NFC, but for runs of 64 combining marks or more. Takes time in proportion to the length."""
    if text.isascii():
        return text
    parts = _MANY_MARKS.split(text)  # every second one is such a run
    return "".join(part if number % 2 else unicodedata.normalize("NFC", part) for number, part in enumerate(parts))


def as_read(text: str) -> str:
    """What a reader sees of a text: texts that differ only in white space or in the form of their letters are one."""
    return " ".join(clean_text(text).split())
