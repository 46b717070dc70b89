"""Splits a paragraph into sentences, and sentences that are still too long into smaller parts.

A translation model learns from single sentences. A paragraph is therefore translated sentence by sentence, and text
without sentence ends is cut where a reader would pause: at a comma, else between words, else anywhere.
"""

from collections.abc import Callable

import regex

# A full stop after these does not end a sentence (English and German).
_WRITTEN_WITH_A_STOP = """
    mr mrs ms dr prof st no vs etc e.g i.e cf approx inc ltd jr sr gen col capt fig vol pp
    hr fr frl nr bzw usw z.b d.h u.a vgl ca evtl ggf inkl str abs art bd hrsg jh mio mrd
"""
ABBREVIATIONS = frozenset(_WRITTEN_WITH_A_STOP.split())
# Marks that end a sentence, with closing quotes and brackets after them, before a space. Full-width marks need none.
# A match begins at the first of several marks and never gives one back: else a row of n dots, tried from every dot,
# would take n^2 steps.
SENTENCE_END = regex.compile(r"""(?:(?<![.!?…])[.!?…]++["'”’“»«)\]]*+(?=\s)|[。！？]++[」』”]?)\s*+""")
LAST_WORD = regex.compile(r"""[\p{L}\p{N}.]+$""")
CLAUSE_END = regex.compile(r"[,;:，；、]\s*|\s[-–—]\s")
SPACE = regex.compile(r"\s+")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, without the spaces around them; none for a blank text."""
    sentences, start = [], 0
    for end in SENTENCE_END.finditer(text):
        if _ends_sentence(text, start, end):
            sentences.append(text[start : end.end()].strip())
            start = end.end()
    rest = text[start:].strip()
    return [*sentences, rest] if rest else sentences


def _ends_sentence(text: str, start: int, end: "regex.Match[str]") -> bool:
    """Whether what follows the mark begins a new sentence."""
    following = text[end.end() : end.end() + 1]
    if following.islower():  # "... he said.", "Where? there", and abbreviations that are not listed
        return False
    if not end.group().startswith(".") or end.group().startswith(".."):
        return True
    found = LAST_WORD.search(text, max(start, end.start() - 32), end.start())
    if found is None:
        return True
    word = found.group().lower()
    # An initial (J. S. Bach), an abbreviation, or a German ordinal (3. Oktober).
    return not (word in ABBREVIATIONS or (len(word) == 1 and word.isalpha()) or (word.isdecimal() and len(word) <= 2))


def cut(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Parts that fit, in order, without the spaces around them; each cut is at the best place nearest the middle."""
    text = text.strip()
    if not text:
        return []
    if len(text) == 1 or fits(text):
        return [text]
    middle = len(text) // 2
    for mark in (CLAUSE_END, SPACE):
        # Not so near an end that the other part is almost as long.
        found = mark.finditer(text, len(text) // 4, len(text) - len(text) // 4)
        places = [place.end() for place in found if 0 < place.end() < len(text)]
        if places:
            middle = min(places, key=lambda place: abs(place - middle))
            break
    return [*cut(text[:middle], fits), *cut(text[middle:], fits)]
