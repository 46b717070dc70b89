"""The tables, read once into words with all their forms."""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from numpy_transformer.data.phrasebook import english, german, nouns, verbs, words
from numpy_transformer.data.phrasebook.german import Gender, GrammaticalCase, Paradigm


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """The prepositions of a place: in the kitchen, in der Küche, in die Küche."""

    english: str
    location: str  # with the dative
    direction: str  # "zu" with the dative, others with the accusative


@dataclass(frozen=True, eq=False, slots=True)
class Noun:
    """A noun in both languages; `german[case]` is (singular, plural)."""

    english: tuple[str, str]
    german: tuple[tuple[str, str], ...]
    gender: Gender
    section: str
    countable: bool = True
    plural_only: bool = False
    place: Place | None = None
    head: "Noun | None" = None  # of a compound: table of kitchen table

    @property
    def owned(self) -> bool:
        """Whether a possessive fits: my neighbor, my key."""
        return self.section not in nouns.UNOWNED


@dataclass(frozen=True, eq=False, slots=True)
class Adjective:
    """An adjective; `stem` takes the endings (teuer, teur-), `comparative` is (more expensive, teurer) or empty."""

    english: str
    german: str
    stem: str
    comparative: tuple[str, str] | None


@dataclass(frozen=True, eq=False, slots=True)
class Determiner:
    """An article, possessive, demonstrative or number, with the adjective endings that follow it."""

    english: str
    german: tuple[tuple[str, str, str, str], ...]
    endings: Paradigm
    definite: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Verb:
    """A verb in both languages.

    English forms carry no particle ("get" of "get up"); German finite forms no prefix ("steht" of "aufstehen").
    """

    base: str
    third: str
    past: str
    participle: str
    progressive: str  # empty if the verb has none
    particle: str  # " up" or empty
    stative: bool
    present: tuple[str, ...]  # by Person
    imperative: str
    prefix: str
    infinitive: str
    zu_infinitive: str
    german_participle: str
    auxiliary: str  # "haben" or "sein"
    reflexive: bool
    objects: tuple[Noun, ...] = ()
    preposition: str = ""  # of a prepositional object
    case: GrammaticalCase = GrammaticalCase.ACCUSATIVE


class Adverbial(NamedTuple):
    """A time, frequency or manner in both languages."""

    english: str
    german: str


def rows(table: str) -> list[list[str]]:
    """The non-blank lines of a table, split into stripped columns."""
    return [[cell.strip() for cell in line.split("|")] for line in table.split("\n") if line.strip()]


def adverbials(table: str) -> tuple[Adverbial, ...]:
    """A two-column table as adverbials."""
    return tuple(Adverbial(row[0], row[1]) for row in rows(table))


# --- Nouns ---------------------------------------------------------------------------------------------------------


@cache
def nouns_by_section() -> dict[str, tuple[Noun, ...]]:
    """Every noun of the tables, by its semantic class."""
    tables = nouns.NOUNS | nouns.PLACES
    return {section: tuple(_noun(section, row) for row in rows(table)) for section, table in tables.items()}


@cache
def noun(english_word: str) -> Noun:
    """The noun of an English singular, or plural for the plural-only ones; KeyError if there is none."""
    for section in nouns_by_section().values():
        for entry in section:
            if entry.english[entry.plural_only] == english_word:
                return entry
    raise KeyError(english_word)


@cache
def select(description: str) -> tuple[Noun, ...]:
    """The nouns of "people tree": classes, groups of classes and single nouns, in order and without repetition."""
    found: dict[Noun, None] = {}
    for name in description.split():
        sections = nouns.GROUPS.get(name, (name,))
        for section in sections:
            for entry in nouns_by_section().get(section) or (noun(section),):
                found[entry] = None
    return tuple(found)


@cache
def compounds() -> tuple[Noun, ...]:
    """Every compound of `nouns.COMPOUNDS`."""
    return tuple(
        compound(modifier, joined, noun(head.strip()))
        for modifier, joined, heads in rows(nouns.COMPOUNDS)
        for head in heads.split(",")
    )


def compound(modifier: str, joined: str, head: Noun) -> Noun:
    """apple + juice is der Apfelsaft: the head gives gender, plural and class."""
    return Noun(
        english=(f"{modifier} {head.english[0]}", f"{modifier} {head.english[1]}"),
        german=tuple((joined + one.lower(), joined + many.lower()) for one, many in head.german),
        gender=head.gender,
        section=head.section,
        countable=head.countable,
        place=head.place,
        head=head,
    )


def _noun(section: str, row: list[str]) -> Noun:
    singular, _, plural = row[0].partition("/")
    plural = plural or english.add_s(singular)
    if row[1] == "-":
        return Noun(
            (plural, plural), german.decline("", row[2], Gender.PLURAL), Gender.PLURAL, section, plural_only=True
        )
    article, _, word = row[1].partition(" ")
    word, _, genitive = word.partition("/")
    gender = {"der": Gender.MASCULINE, "die": Gender.FEMININE, "das": Gender.NEUTER}[article]
    forms = german.decline(word.removesuffix("*"), row[2], gender, weak=word.endswith("*"), genitive_form=genitive)
    place = None
    if len(row) > 3:
        preposition, location = row[3].split()
        place = Place(preposition, location, row[4])
    return Noun((singular, plural), forms, gender, section, countable=row[2] != "-", place=place)


# --- Adjectives ----------------------------------------------------------------------------------------------------


@cache
def adjectives() -> dict[str, Adjective]:
    """Every adjective, by its English word."""
    compared = {row[0]: _adjective(row, True) for row in rows(words.ADJECTIVES)}
    return compared | {row[0]: _adjective(row, False) for row in rows(words.ABSOLUTE_ADJECTIVES)}


@cache
def adjectives_of(entry: Noun) -> tuple[Adjective, ...]:
    """The adjectives that describe a noun; a compound is described as its head is."""
    entry = entry.head or entry
    table = rows(words.ADJECTIVES) + rows(words.ABSOLUTE_ADJECTIVES)
    names = {group for group, sections in nouns.GROUPS.items() if entry.section in sections}
    names |= {entry.section, entry.english[0]}
    return tuple(adjectives()[row[0]] for row in table if names & set(row[3].split()))


def _adjective(row: list[str], compared: bool) -> Adjective:
    word, _, stem = row[1].partition(" (")
    comparative = (english.comparative(row[0]), row[2] or word.removesuffix("e") + "er") if compared else None
    return Adjective(row[0], word, (stem.rstrip(")") or word).removesuffix("e"), comparative)


# --- Determiners ---------------------------------------------------------------------------------------------------


def determiner(english_word: str, stem: str, forms: Paradigm, endings: Paradigm, definite: bool = False) -> Determiner:
    """A determiner whose German forms are `stem` plus the endings `forms`."""
    table = tuple((stem + m, stem + f, stem + n, stem + p) for m, f, n, p in forms)
    return Determiner(english_word, table, endings, definite)


NO_ENDINGS: Paradigm = (("", "", "", ""),) * 4
BARE = determiner("", "", NO_ENDINGS, german.STRONG)
THE = determiner("the", "", german.DEFINITE_ARTICLE, german.WEAK, definite=True)
THIS = determiner("this", "dies", german.DER_WORD, german.WEAK, definite=True)
THESE = determiner("these", "dies", german.DER_WORD, german.WEAK, definite=True)
EVERY = determiner("every", "jed", german.DER_WORD, german.WEAK)
WHICH = determiner("which", "welch", german.DER_WORD, german.WEAK)
AN = determiner("a", "ein", german.EIN_WORD, german.MIXED)
NO = determiner("no", "kein", german.EIN_WORD, german.MIXED)
MANY = determiner("many", "viel", german.DER_WORD, german.STRONG)
SOME = determiner("some", "einig", german.DER_WORD, german.STRONG)
POSSESSIVES = tuple(
    determiner(english_word, stem, german.EIN_WORD, german.MIXED, definite=True)
    for english_word, stem in (
        *(("my", "mein"), ("your", "dein"), ("his", "sein"), ("her", "ihr")),
        *(("our", "unser"), ("their", "ihr")),
    )
)


@cache
def numeral(n: int) -> Determiner:
    """A number as a determiner: two, zwei; no endings of its own, strong ones on the adjective."""
    return determiner(english.number(n), german.number(n), NO_ENDINGS, german.STRONG)


# --- Verbs ---------------------------------------------------------------------------------------------------------


@cache
def verb_table(name: str) -> tuple[Verb, ...]:
    """The verbs of one table of `verbs`, such as "TRANSITIVE"."""
    return tuple(_verb(row) for row in rows(getattr(verbs, name)))


@cache
def be() -> Verb:
    """The copula. `clauses` inflects its English side."""
    return _verb(["be was been", "sein", "ist gewesen"])


def _verb(row: list[str]) -> Verb:
    forms, particle, stative = _english_forms(row[0])
    governed = row[1].split()
    preposition, case = "", GrammaticalCase.ACCUSATIVE
    if governed[-1] in ("Akk", "Dat"):
        preposition, case = (
            governed[-2],
            GrammaticalCase.DATIVE if governed[-1] == "Dat" else GrammaticalCase.ACCUSATIVE,
        )
        governed = governed[:-2]
    changed = governed.pop()[1:-1] if governed[-1].startswith("(") else ""
    reflexive = governed[0] == "sich"
    prefix, _, bare = governed[-1].rpartition("·")
    auxiliary, _, participle = row[2].rpartition(" ")
    return Verb(
        base=forms[0],
        third=english.third_person(forms[0]),
        past=forms[1],
        participle=forms[2],
        progressive="" if stative or "~" in row[0] else english.progressive(forms[0]),
        particle=particle,
        stative=stative,
        present=german.present(bare, changed),
        imperative=german.imperative(bare, changed),
        prefix=prefix,
        infinitive=prefix + bare,
        zu_infinitive=f"{prefix}zu{bare}" if prefix else f"zu {bare}",
        german_participle=participle,
        auxiliary="sein" if auxiliary else "haben",
        reflexive=reflexive,
        objects=select(row[3]) if len(row) > 3 else (),
        preposition=preposition,
        case=case,
    )


def _english_forms(cell: str) -> tuple[tuple[str, str, str], str, bool]:
    """(base, past, participle), the particle with a leading space, and whether the verb is a state."""
    parts = cell.split()
    forms = [part for part in parts if part[0] not in "+*~"]
    particle = "".join(" " + part[1:] for part in parts if part[0] == "+")
    past = forms[1] if len(forms) > 1 else english.past(forms[0])
    participle = forms[2] if len(forms) > 2 else past
    return (forms[0], past, participle), particle, "*" in parts
