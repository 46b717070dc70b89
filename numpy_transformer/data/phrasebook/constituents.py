"""English that knows its structure: each text of the grammar carries the brackets of its constituents.

A text is an `English`: a str with `brackets`. The functions that put texts together say how theirs are put together
from those of the parts; that is done when somebody asks, for most sentences of the phrasebook become no tree.

    the dog                 (NP (DT the) (NN dog))
    in the garden           (PP (IN in) (NP (DT the) (NN garden)))
    the dog in the garden   both, side by side

Labels and tags are those of the Penn Treebank (Bies et al. 1995); docs/parsing.md explains them. Words are split as
there: don't is do + n't, the man's is the + man + 's.
"""

from collections.abc import Callable
from functools import cache

import regex

from numpy_transformer.data.trees import SyntaxTree, parse_tree

# Where a clause that follows belongs: behind what is in the innermost verb phrase. Private use, so no text has it.
HOLE = "\ue000"

_FIRST_LETTER = regex.compile(r" \w(?=[^() ]*\))")

# What stands in the tables as it is: times, manners, pronouns, conjunctions, question words.
FIXED = """
    today             | (NP (NN today))
    tomorrow          | (NP (NN tomorrow))
    yesterday         | (NP (NN yesterday))
    now               | (ADVP (RB now))
    soon              | (ADVP (RB soon))
    every day         | (NP (DT every) (NN day))
    every morning     | (NP (DT every) (NN morning))
    every evening     | (NP (DT every) (NN evening))
    every week        | (NP (DT every) (NN week))
    in the morning    | (PP (IN in) (NP (DT the) (NN morning)))
    in the afternoon  | (PP (IN in) (NP (DT the) (NN afternoon)))
    in the evening    | (PP (IN in) (NP (DT the) (NN evening)))
    at night          | (PP (IN at) (NP (NN night)))
    in the summer     | (PP (IN in) (NP (DT the) (NN summer)))
    in the winter     | (PP (IN in) (NP (DT the) (NN winter)))
    on the weekend    | (PP (IN on) (NP (DT the) (NN weekend)))
    this morning      | (NP (DT this) (NN morning))
    tonight           | (NP (NN tonight))
    tomorrow morning  | (NP (NN tomorrow) (NN morning))
    last week         | (NP (JJ last) (NN week))
    last month        | (NP (JJ last) (NN month))
    last year         | (NP (JJ last) (NN year))
    next week         | (NP (JJ next) (NN week))
    next month        | (NP (JJ next) (NN month))
    next year         | (NP (JJ next) (NN year))
    two days ago      | (ADVP (NP (CD two) (NNS days)) (RB ago))
    an hour ago       | (ADVP (NP (DT an) (NN hour)) (RB ago))
    a week ago        | (ADVP (NP (DT a) (NN week)) (RB ago))
    often             | (ADVP (RB often))
    always            | (ADVP (RB always))
    sometimes         | (ADVP (RB sometimes))
    never             | (ADVP (RB never))
    usually           | (ADVP (RB usually))
    rarely            | (ADVP (RB rarely))
    already           | (ADVP (RB already))
    yet               | (ADVP (RB yet))
    well              | (ADVP (RB well))
    badly             | (ADVP (RB badly))
    loudly            | (ADVP (RB loudly))
    quietly           | (ADVP (RB quietly))
    slowly            | (ADVP (RB slowly))
    fast              | (ADVP (RB fast))
    a lot             | (NP (DT a) (NN lot))
    together          | (ADVP (RB together))
    alone             | (ADVP (RB alone))
    early             | (ADVP (RB early))
    late              | (ADVP (RB late))
    at home           | (PP (IN at) (NP (NN home)))
    home              | (ADVP (RB home))
    I                 | (NP (PRP I))
    me                | (NP (PRP me))
    you               | (NP (PRP you))
    he                | (NP (PRP he))
    him               | (NP (PRP him))
    she               | (NP (PRP she))
    her               | (NP (PRP her))
    we                | (NP (PRP we))
    us                | (NP (PRP us))
    they              | (NP (PRP they))
    them              | (NP (PRP them))
    because           | (IN because)
    although          | (IN although)
    if                | (IN if)
    that              | (IN that)
    whether           | (IN whether)
    where             | (WHADVP (WRB where))
    when              | (WHADVP (WRB when))
    why               | (WHADVP (WRB why))
    how often         | (WHADVP (WRB how) (RB often))
    who               | (WHNP (WP who))
    what              | (WHNP (WP what))
    it rains          | (S (NP (PRP it)) (VP (VBZ rains)))
    it snows          | (S (NP (PRP it)) (VP (VBZ snows)))
    the sun shines    | (S (NP (DT the) (NN sun)) (VP (VBZ shines)))
"""
# A verb's second word. Those that end open take the object that follows.
PARTICLES = {
    "": "{}",
    " asleep": "(ADJP (JJ asleep)) {}",
    " dressed": "(ADJP (VBN dressed)) {}",
    " TV": "(NP (NN TV)) {}",
    " shopping": "(NP (NN shopping)) {}",
    " forward to": "(ADVP (RB forward)) (PP (TO to) {})",
    " care of": "(NP (NN care)) (PP (IN of) {})",
    " in love with": "(PP (IN in) (NP (NN love))) (PP (IN with) {})",
    **{f" {word}": f"(PRT (RP {word})) {{}}" for word in ("up", "on", "off", "out", "back", "down", "along", "away")},
    **{f" {word}": f"(PP (IN {word}) {{}})" for word in ("for", "of", "about", "with", "at")},
    " to": "(PP (TO to) {})",
}
PREPOSITIONS = {
    "to": "(PP (TO to) {})",
    "next to": "(ADVP (JJ next) (PP (TO to) {}))",
    "in front of": "(PP (IN in) (NP (NP (NN front)) (PP (IN of) {})))",
}
DETERMINERS = {"many": "JJ", "which": "WDT"} | dict.fromkeys(("my", "your", "his", "her", "our", "their"), "PRP$")
ARTICLES = ("the", "a", "an", "this", "these", "every", "no", "some")


class English(str):
    """An English text that can say the brackets of its constituents, from left to right."""

    __slots__ = ("_build",)
    _build: Callable[[], str]

    @property
    def brackets(self) -> str:
        """The brackets, built now."""
        return self._build()

    @property
    def tree(self) -> SyntaxTree:
        """The one constituent that it is. Its first word has a capital if the text has."""
        brackets = self.brackets.replace(HOLE, "")
        return parse_tree(_FIRST_LETTER.sub(f" {self[0]}", brackets, count=1))


def english(text: str, brackets: Callable[[], str]) -> English:
    """A text, and what builds its brackets."""
    made = English(text)
    made._build = brackets
    return made


@cache
def _fixed() -> dict[str, str]:
    return {text.strip(): brackets.strip() for text, _, brackets in map(_columns, FIXED.strip().split("\n"))}


def _columns(line: str) -> tuple[str, str, str]:
    return line.partition("|")


def brackets_of(text: str) -> str:
    """The brackets of an English text, or of one of the fixed ones; of any other word by word, each an X."""
    if isinstance(text, English):
        return text.brackets
    return _fixed().get(text) or " ".join(f"(X {word})" for word in text.split())


def beside(*texts: str) -> English:
    """The texts that are not empty, side by side."""
    given = [text for text in texts if text]
    return english(" ".join(given), lambda: " ".join(map(brackets_of, given)))


def tagged(tag: str, text: str) -> str:
    """The brackets of a text each word of which has the same tag: (NN kitchen) (NN table)."""
    return " ".join(f"({tag} {word})" for word in text.split())


def noun_brackets(text: str, *, plural: bool, name: bool) -> str:
    """The brackets of a noun; of a compound only the last word is plural."""
    *first, last = text.split()
    before = "".join(f"(NN {word}) " for word in first)
    return f"{before}({'NNP' if name else 'NNS' if plural else 'NN'} {last})"


def determiner_brackets(word: str) -> str:
    """The brackets of a determiner: an article, a possessive, a number, or a name's genitive."""
    if word.endswith("'s"):
        return f"(NP (NNP {word[:-2]}) (POS 's))"
    return f"({'DT' if word in ARTICLES else DETERMINERS.get(word, 'CD')} {word})"


def prepositional_phrase(word: str, phrase: str) -> English:
    """A preposition and its noun phrase: in the garden, next to the table."""

    def brackets() -> str:
        return PREPOSITIONS.get(word, f"(PP (IN {word}) {{}})").format(brackets_of(phrase))

    return english(f"{word} {phrase}", brackets)


def adjective_brackets(word: str) -> str:
    """An adjective, or a comparative: bigger; more expensive."""
    more, _, adjective = word.rpartition(" ")
    return f"(RBR {more}) (JJ {adjective})" if more else f"(JJ {word})"


def filled(clause: str, inner: str) -> str:
    """The brackets of a clause with others where it has its hole, whose own hole is closed."""
    return brackets_of(clause).replace(HOLE, inner.replace(HOLE, ""))


def with_mark(sentence: str, mark: str) -> str:
    """The brackets of a sentence with its final mark: it is inside the outermost one."""
    return f"{sentence[:-1]} (. {mark}))"


Chain = list[tuple[str, str]]  # the verbs of a clause with their tags, the finite one first: will read, wants to read


def verb_phrase(chain: Chain, inner: str, *, behind_first: str = "") -> str:
    """Verbs within each other, what is behind the last one innermost: (VP (MD will) (VP (VB read) ...)).

    An infinitive with "to" is a clause of its own: (VP (VBZ wants) (S (VP (TO to) (VP (VB read) ...)))). What is
    `behind_first` stands behind the first verb, as "not" does.
    """
    for place, (tag, word) in reversed(list(enumerate(chain))):
        inner = f"(VP ({tag} {word}) {behind_first if place == 0 else ''} {inner})"
        if tag == "TO":
            inner = f"(S {inner})"
    return inner


def clause_brackets(
    subject: str, chain: Chain, inner: str, *, auxiliary: bool, between: str, adverb: str, question: str | None
) -> str:
    """The brackets of a clause. All arguments are brackets.

    inner: what is behind the last verb. auxiliary: whether the first verb is one, so that `adverb` stands behind it.
    between: the negation. question: its question word, empty for yes or no, None for a statement.
    """
    if question is not None:  # subject and auxiliary have changed places
        tag, word = chain[0]
        rest = verb_phrase(chain[1:], inner) if chain[1:] else inner
        inverted = f"(SQ ({tag} {word}) {subject} {adverb} {rest})"
        return f"(SBARQ {question} {inverted})" if question else inverted
    if auxiliary:
        verbs = verb_phrase(chain, inner, behind_first=f"{between} {adverb}")
    else:
        subject, verbs = f"{subject} {adverb}", verb_phrase(chain, inner)
    if subject.startswith("(WHNP"):  # who reads? A relative clause makes an SBAR of it
        who, _, adverbs = subject.partition("))")
        return f"(SBARQ {who})) (SQ {adverbs} {verbs}))"
    return f"(S {subject} {verbs})"


def relative_brackets(clause: str) -> str:
    """A clause whose subject is "who", as a relative clause."""
    return brackets_of(clause).replace("(SBARQ", "(SBAR", 1).replace("(SQ", "(S", 1)


def subordinate(word: str, clause: str) -> str:
    """The brackets of a clause behind its conjunction, question word or relative pronoun."""
    return f"(SBAR {brackets_of(word)} {brackets_of(clause)})"


def fronted(first: str, clause: str) -> str:
    """The brackets of a statement with something in front of its subject."""
    return f"(S {brackets_of(first)} {brackets_of(clause).removeprefix('(S ')}"
