"""English text split into words as the Penn Treebank splits it (MacIntyre 1995).

Punctuation is a word of its own, and so are the parts of contractions:

>>> split_words("The men's dogs don't bark, I'm told.")
['The', 'men', "'s", 'dogs', 'do', "n't", 'bark', ',', 'I', "'m", 'told', '.']

A full stop is a word at the end of the text only: within it, it may belong to an abbreviation, Mr. or U.S. Quotation
marks become `` and '', brackets -LRB- and -RRB-, since a tree is written with brackets. Text that is split already
stays as it is:

>>> split_words("do n't bark -LRB- he said -RRB- .")
['do', "n't", 'bark', '-LRB-', 'he', 'said', '-RRB-', '.']
"""

import regex

from numpy_transformer.data.clean_text import clean_text

BRACKETS = {"(": "-LRB-", ")": "-RRB-", "[": "-LSB-", "]": "-RSB-", "{": "-LCB-", "}": "-RCB-"}

_STEPS = [
    (regex.compile("[\u2018\u2019]"), "'"),
    (regex.compile("\u201c"), " `` "),
    (regex.compile("\u201d"), " '' "),
    (regex.compile(r'(?<=^|[\s(\[{])"'), "`` "),  # an opening one follows a space
    (regex.compile(r'"'), " '' "),
    (regex.compile(r"[()\[\]{}]"), lambda match: f" {BRACKETS[match[0]]} "),
    (regex.compile(r"\.\.\.+|\u2026"), " ... "),
    (regex.compile(r"--+|\u2014"), " -- "),
    (regex.compile(r"[?!;]|[$#](?=\d)|(?<=\d)%|[,:](?!\d)"), r" \g<0> "),
    (regex.compile(r"(?<=[^.\s])\.(?=[\s'`]*$)"), " ."),
    (regex.compile(r"(?i)\b(can)(not)\b"), r"\1 \2"),
    (regex.compile(r"(?i)(?<=\w)(n't)\b"), r" \1"),
    (regex.compile(r"(?i)(?<=\w)('(?:s|m|d|ll|re|ve))(?!\w)"), r" \1"),
    (regex.compile(r"(?<=\w)'(?=\s|$)"), " '"),
]


def split_words(text: str) -> list[str]:
    """The words of a sentence."""
    text = clean_text(text)
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text.split()
