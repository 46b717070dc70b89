"""German inflection: the paradigms as tables, and small functions that read them.

Cases and genders are indices into the tables. A row of a table is a case, in the order nominative, accusative,
dative, genitive; a column is masculine, feminine, neuter, plural.
"""

import re
from enum import IntEnum

from numpy_transformer.data.phrasebook.verbs import IRREGULAR_PRESENT
from numpy_transformer.data.phrasebook.words import GERMAN_TENS, GERMAN_UNITS

_VOWEL_GROUP = re.compile(r"[aeiouyäöü]+", re.IGNORECASE)


class GrammaticalCase(IntEnum):
    """The row of a paradigm."""

    NOMINATIVE = 0
    ACCUSATIVE = 1
    DATIVE = 2
    GENITIVE = 3


class Gender(IntEnum):
    """The column of a paradigm. The plural has no genders, so it is a column of its own."""

    MASCULINE = 0
    FEMININE = 1
    NEUTER = 2
    PLURAL = 3


class Person(IntEnum):
    """The person of a verb: ich, du, er/sie/es, wir, sie."""

    I = 0  # noqa: E741
    YOU = 1
    HE = 2
    WE = 3
    THEY = 4


Paradigm = tuple[tuple[str, str, str, str], ...]

DEFINITE_ARTICLE: Paradigm = (
    ("der", "die", "das", "die"),
    ("den", "die", "das", "die"),
    ("dem", "der", "dem", "den"),
    ("des", "der", "des", "der"),
)
DER_WORD: Paradigm = (  # endings of dieser, jeder, welcher, and of viele, einige in the plural
    ("er", "e", "es", "e"),
    ("en", "e", "es", "e"),
    ("em", "er", "em", "en"),
    ("es", "er", "es", "er"),
)
EIN_WORD: Paradigm = (  # endings of ein, kein, mein, dein, sein, ihr, unser
    ("", "e", "", "e"),
    ("en", "e", "", "e"),
    ("em", "er", "em", "en"),
    ("es", "er", "es", "er"),
)

# Adjective endings. The less the determiner shows, the more the adjective must.
WEAK: Paradigm = (  # behind der, dieser, jeder: der alte Hund
    ("e", "e", "e", "en"),
    ("en", "e", "e", "en"),
    ("en", "en", "en", "en"),
    ("en", "en", "en", "en"),
)
MIXED: Paradigm = (  # behind ein, kein, mein: ein alter Hund
    ("er", "e", "es", "en"),
    ("en", "e", "es", "en"),
    ("en", "en", "en", "en"),
    ("en", "en", "en", "en"),
)
STRONG: Paradigm = (  # with no determiner, behind numbers, viele, einige: kaltes Wasser, zwei alte Hunde
    ("er", "e", "es", "e"),
    ("en", "e", "es", "e"),
    ("em", "er", "em", "en"),
    ("en", "er", "en", "er"),
)

REFLEXIVE = ("mich", "dich", "sich", "uns", "sich")

# The dative contractions are the rule; the accusative ones belong to places ("ins Kino", but "verliebt in das
# Mädchen").
DATIVE_CONTRACTIONS = {
    "in dem ": "im ",
    "an dem ": "am ",
    "zu dem ": "zum ",
    "zu der ": "zur ",
    "von dem ": "vom ",
}
ACCUSATIVE_CONTRACTIONS = {"in das ": "ins ", "an das ": "ans "}


def genitive(noun: str) -> str:
    """The genitive singular of a masculine or neuter noun: des Lehrers, des Mannes, des Hauses."""
    if noun.endswith("nis"):
        return noun + "ses"
    if noun.endswith(("s", "ß", "x", "z", "sch")):
        return noun + "es"
    one_syllable = len(_VOWEL_GROUP.findall(noun)) == 1 and noun[-1] not in "aeiouäöü"
    return noun + ("es" if one_syllable else "s")


def decline(
    singular: str, plural: str, gender: Gender, *, weak: bool = False, genitive_form: str = ""
) -> tuple[tuple[str, str], ...]:
    """The noun's (singular, plural) in each case.

    The dative plural takes -n unless the plural ends in n or s: mit den Hunden, mit den Autos. A weak noun (der
    Junge) has its plural form in every singular case but the nominative.
    """
    dative_plural = plural if plural.endswith(("n", "s")) else plural + "n"
    if weak:
        singulars = (singular, plural, plural, plural)
    elif gender == Gender.FEMININE:
        singulars = (singular,) * 4
    else:
        singulars = (singular, singular, singular, genitive_form or genitive(singular))
    return tuple(zip(singulars, (plural, plural, dative_plural, plural), strict=True))


def present(infinitive: str, changed: str = "") -> tuple[str, ...]:
    """The present tense, one form per `Person`, without a separable prefix.

    `changed` is the stem of du and er where the vowel changes: present("geben", "gib") is gebe, gibst, gibt.
    """
    if infinitive in IRREGULAR_PRESENT:
        return IRREGULAR_PRESENT[infinitive]
    if infinitive.endswith("eln"):  # lächeln: ich lächle
        stem = infinitive[:-1]
        return (stem[:-2] + "le", stem + "st", stem + "t", infinitive, infinitive)
    stem = infinitive[:-1] if infinitive.endswith("ern") else infinitive[:-2]
    if changed:
        you = changed + ("t" if changed[-1] in "sßz" else "st")
        he = changed if changed.endswith("t") else changed + "t"
    elif _needs_e(stem):
        you, he = stem + "est", stem + "et"
    else:
        you, he = stem + ("t" if stem[-1] in "sßz" else "st"), stem + "t"
    return (stem + "e", you, he, infinitive, infinitive)


def imperative(infinitive: str, changed: str = "") -> str:
    """What one says to a friend: geh, arbeite, probiere, lies (e turns to i), but fahr (a stays)."""
    if infinitive.endswith("eln"):
        return present(infinitive)[0]
    stem = infinitive[:-1] if infinitive.endswith("ern") else infinitive[:-2]
    if infinitive.endswith("ern"):
        return stem + "e"
    if changed and "ä" not in changed:
        return changed
    return stem + "e" if _needs_e(stem) or stem.endswith("ier") else stem


def _needs_e(stem: str) -> bool:
    """Whether -st and -t need a linking e: du arbeitest, du zeichnest, but du lernst, du wohnst."""
    return stem.endswith(("t", "d", "chn")) or (stem[-1] in "mn" and stem[-2] not in "aeiouäöülrhmn")


def number(n: int) -> str:
    """A cardinal from 2 to 99; units go before tens: einundzwanzig."""
    if n < len(GERMAN_UNITS):
        return GERMAN_UNITS[n]
    tens, units = GERMAN_TENS[n // 10 - 2], GERMAN_UNITS[n % 10]
    return f"{units}und{tens}" if n % 10 else tens
