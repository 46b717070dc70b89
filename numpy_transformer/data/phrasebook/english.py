"""English inflection: small functions over spelling, with the irregular forms given by the tables."""

import re

from numpy_transformer.data.phrasebook.words import ENGLISH_TENS, ENGLISH_UNITS

_VOWEL_GROUP = re.compile(r"[aeiouy]+")
_SIBILANT_OR_O = re.compile(r"(s|x|z|ch|sh|o)$")
_CONSONANT_Y = re.compile(r"[^aeiou]y$")
_DOUBLING = re.compile(r"[^aeiou][aeiou][^aeiouwxy]$")  # consonant, one vowel, consonant: stop, stopped
_STRESSED_AT_THE_END = {"forget"}
_CONSONANT_SOUND = ("uni", "use", "eu", "one")  # a university
_VOWEL_SOUND = ("hour", "honest")  # an hour

BE = {"present": ("am", "are", "is", "are", "are"), "past": ("was", "were", "was", "were", "were")}
CONTRACTED_BE = {"I": "I'm", "you": "you're", "he": "he's", "she": "she's", "we": "we're", "they": "they're"}
NEGATED_AUXILIARY = {
    "do": "don't",
    "does": "doesn't",
    "did": "didn't",
    "is": "isn't",
    "are": "aren't",
    "was": "wasn't",
    "were": "weren't",
    "has": "hasn't",
    "have": "haven't",
    "will": "won't",
    "can": "can't",
    "should": "shouldn't",
}


def indefinite_article(following: str) -> str:
    """The article before `following`, by its first sound: a dog, an apple, a university, an hour."""
    word = following.lower()
    vowel = word[0] in "aeiou" and not word.startswith(_CONSONANT_SOUND)
    return "an" if vowel or word.startswith(_VOWEL_SOUND) else "a"


def add_s(word: str) -> str:
    """The ending -s of plural nouns and of the third person: cat/cats, watch/watches, cry/cries, go/goes."""
    if word.endswith(("radio", "zoo")):
        return word + "s"
    if _SIBILANT_OR_O.search(word):
        return word + "es"
    return word[:-1] + "ies" if _CONSONANT_Y.search(word) else word + "s"


def third_person(base: str) -> str:
    """he eats, he watches, he has."""
    return "has" if base == "have" else add_s(base)


def past(base: str) -> str:
    """The regular past and participle in -ed: worked, danced, tried, stopped."""
    if base.endswith("e"):
        return base + "d"
    return base[:-1] + "ied" if _CONSONANT_Y.search(base) else _doubled(base) + "ed"


def progressive(base: str) -> str:
    """The form in -ing: working, dancing, lying, running."""
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("e") and not base.endswith("ee"):
        return base[:-1] + "ing"
    return _doubled(base) + "ing"


def comparative(adjective: str) -> str:
    """bigger, nicer, friendlier, more important; good and bad are irregular."""
    if adjective in ("good", "bad"):
        return {"good": "better", "bad": "worse"}[adjective]
    if _CONSONANT_Y.search(adjective):
        return adjective[:-1] + "ier"
    if _syllables(adjective) > 1:
        return "more " + adjective
    return adjective + "r" if adjective.endswith("e") else _doubled(adjective) + "er"


def possessive(owner: str, plural: bool) -> str:
    """the man's, the boss's, the children's, but the students'."""
    return owner + "'" if plural and owner.endswith("s") else owner + "'s"


def _syllables(word: str) -> int:
    return len(_VOWEL_GROUP.findall(word.removesuffix("e")))


def _doubled(word: str) -> str:
    """The word with its last consonant doubled where a vowel ending needs it: stop, stopp-; visit, visit-."""
    stressed = _syllables(word) == 1 or word in _STRESSED_AT_THE_END
    return word + word[-1] if stressed and _DOUBLING.search(word) else word


def number(n: int) -> str:
    """A cardinal from 0 to 99: twenty-one."""
    if n < len(ENGLISH_UNITS):
        return ENGLISH_UNITS[n]
    tens, units = ENGLISH_TENS[n // 10 - 2], ENGLISH_UNITS[n % 10]
    return f"{tens}-{units}" if n % 10 else tens
