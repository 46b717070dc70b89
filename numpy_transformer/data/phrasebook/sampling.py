"""Random words and phrases that make sense together: who can do what to whom, and where.

Each function takes a `Draw`, the seeded source of randomness, and can be used in any construction.
"""

import random
from bisect import bisect
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from numpy_transformer.data.phrasebook import english, german, lexicon, nouns, words
from numpy_transformer.data.phrasebook.constituents import english as marked
from numpy_transformer.data.phrasebook.constituents import prepositional_phrase
from numpy_transformer.data.phrasebook.german import Gender, GrammaticalCase, Person
from numpy_transformer.data.phrasebook.lexicon import Adjective, Adverbial, Determiner, Noun
from numpy_transformer.data.phrasebook.phrases import (
    PRONOUNS,
    Name,
    Nominal,
    NounPhrase,
    Pronoun,
    noun_phrase,
    preposition,
)

T = TypeVar("T")

WHERE = Adverbial("where", "wo")

# The first tenth of a table is drawn about a third of the time, the last tenth about one time in twenty.
WORD_SKEW = 2.0


class Draw(random.Random):
    """The standard generator with a quick choice."""

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each equally likely."""
        return options[int(self.random() * len(options))]

    def word(self, options: Sequence[T]) -> T:
        """One of the options, the first ones more often, as in language; the tables list common words first."""
        return options[int(self.random() ** WORD_SKEW * len(options))]

    def index(self, bounds: Sequence[float]) -> int:
        """An index into cumulative weights, with probability proportional to its own weight."""
        return bisect(bounds, self.random() * bounds[-1])

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability


# The determiners of a noun phrase by its use; repetition gives weight. Possessives are added where they fit.
THE, AN, BARE, THIS, THESE = lexicon.THE, lexicon.AN, lexicon.BARE, lexicon.THIS, lexicon.THESE
SINGULAR = (*(THE,) * 8, *(AN,) * 4, THIS)
PLURAL = (*(THE,) * 4, *(BARE,) * 3, lexicon.MANY, lexicon.SOME, THESE)
MASS = (*(THE,) * 5, *(BARE,) * 8, THIS)
DEFINITE_SINGULAR = (*(THE,) * 8, THIS)
DEFINITE_PLURAL = (*(THE,) * 8, THESE)
SUBJECT_SINGULAR = (*(THE,) * 10, AN, THIS, THIS, lexicon.EVERY)
SUBJECT_PLURAL = (*(THE,) * 8, THESE, lexicon.MANY, lexicon.SOME)


@cache
def with_possessives(determiners: tuple[Determiner, ...], noun: Noun, plural: bool = False) -> tuple[Determiner, ...]:
    """The determiners and, where they fit the noun, my, your, his, her, our, their."""
    if not noun.owned or (plural and noun.english[0] in nouns.UNIQUE_KIN):
        return determiners
    mine_to_hers = lexicon.POSSESSIVES[:4]
    return determiners + (mine_to_hers if noun.english[0] in nouns.UNSHARED_KIN else lexicon.POSSESSIVES)


@cache
def names() -> tuple[Name, ...]:
    """The persons of `nouns.NAMES`."""
    genders = {"male": Gender.MASCULINE, "female": Gender.FEMININE}
    return tuple(
        Name(_named(name), genders[group]) for group, group_names in nouns.NAMES.items() for name in group_names
    )


def _named(name: str) -> str:
    return marked(name, lambda: f"(NP (NNP {name}))")


# --- Noun phrases --------------------------------------------------------------------------------------------------


def described(draw: Draw, noun: Noun, probability: float) -> Adjective | None:
    """An adjective that fits the noun, or none."""
    fitting = lexicon.adjectives_of(noun)
    return draw.word(fitting) if fitting and draw.chance(probability) else None


def a_noun_phrase(
    draw: Draw,
    noun: Noun,
    *,
    definite: bool = False,
    subject: bool = False,
    singular: bool = False,
    adjective: float = 0.2,
) -> NounPhrase:
    """A noun phrase around the noun, with a determiner and number that it allows."""
    if noun.section == "language":
        return noun_phrase(lexicon.BARE, noun)
    if noun.section == "unique":
        return noun_phrase(lexicon.THE, noun)
    plural = noun.plural_only or (noun.countable and not singular and draw.chance(0.25))
    choice: tuple[Determiner, ...]
    if definite:
        choice = DEFINITE_PLURAL if plural else DEFINITE_SINGULAR
    elif subject:
        choice = SUBJECT_PLURAL if plural else SUBJECT_SINGULAR
    elif not noun.countable:
        choice = MASS
    else:
        choice = PLURAL if plural else SINGULAR
    return noun_phrase(
        draw.pick(with_possessives(choice, noun, plural)), noun, plural, described(draw, noun, adjective)
    )


def a_person(draw: Draw, *, pronoun: float = 0.4, definite: bool = False) -> Nominal:
    """A subject: a pronoun, a name or people; `definite` leaves out every, many and the like."""
    chance = draw.random()
    if chance < pronoun:
        return draw.pick(PRONOUNS)
    if chance < pronoun + 0.1:
        return draw.pick(names())
    return a_noun_phrase(draw, draw.word(lexicon.select("people")), subject=True, definite=definite, adjective=0.15)


def another_person(draw: Draw, subject: Nominal, choice: tuple[Noun, ...], *, pronoun: float = 0.35) -> Nominal:
    """An object: definite, and not the subject itself ("I see me" needs a reflexive)."""
    chance = draw.random()
    if chance < pronoun:
        return draw.pick(_others(subject.person))
    if chance < pronoun + 0.08:
        return draw.pick(tuple(name for name in names() if name is not subject))
    return a_noun_phrase(draw, _other_noun(draw, choice, subject), definite=True, adjective=0.12)


@cache
def _others(person: Person) -> tuple[Pronoun, ...]:
    same = {
        Person.I: (Person.I, Person.WE),
        Person.WE: (Person.I, Person.WE),
        Person.YOU: (Person.YOU,),
    }.get(person, ())
    return tuple(pronoun for pronoun in PRONOUNS if pronoun.person not in same)


def _other_noun(draw: Draw, choice: tuple[Noun, ...], subject: Nominal) -> Noun:
    noun = draw.word(choice)
    while len(choice) > 1 and isinstance(subject, NounPhrase) and subject.noun is noun:
        noun = draw.word(choice)
    return noun


# --- Places --------------------------------------------------------------------------------------------------------


def place_phrase(draw: Draw) -> NounPhrase:
    """A place as a noun phrase: the old city, our garden."""
    noun = draw.word(lexicon.select("place"))
    determiner = draw.pick(with_possessives(DEFINITE_SINGULAR, noun)) if noun.owned else THE
    return noun_phrase(determiner, noun, False, described(draw, noun, 0.12))


@cache
def cities() -> tuple[Adverbial, ...]:
    """The towns and countries."""
    return tuple(Adverbial(_named(town.english), town.german) for town in lexicon.adverbials(nouns.CITIES))


def a_location(draw: Draw) -> tuple[str, str]:
    """Where, with the dative: in the garden, im Garten; in Berlin; at home, zu Hause."""
    chance = draw.random()
    if chance < 0.1:
        town = draw.pick(cities())
        return prepositional_phrase("in", town.english), f"in {town.german}"
    if chance < 0.16:
        home = lexicon.rows(words.HOME)[0]
        return home[0], home[1]
    return location(place_phrase(draw))


def location(phrase: NounPhrase) -> tuple[str, str]:
    """in the kitchen, in der Küche: the preposition comes from the noun."""
    place = phrase.noun.place
    assert place is not None
    return prepositional_phrase(place.english, phrase.english), preposition(
        place.location, phrase, GrammaticalCase.DATIVE
    )


def direction(phrase: NounPhrase) -> tuple[str, str]:
    """to the kitchen, in die Küche; to the station, zum Bahnhof."""
    place = phrase.noun.place
    assert place is not None
    case = GrammaticalCase.DATIVE if place.direction == "zu" else GrammaticalCase.ACCUSATIVE
    return prepositional_phrase("to", phrase.english), preposition(place.direction, phrase, case, contract=True)


def a_direction(draw: Draw) -> tuple[str, str]:
    """Where to: to the park, in den Park; home, nach Hause; to the doctor, zum Arzt."""
    chance = draw.random()
    if chance < 0.12:
        home = lexicon.rows(words.HOME)[0]
        return home[2], home[3]
    if chance < 0.25:
        person = a_noun_phrase(draw, draw.word(lexicon.select("people")), definite=True, singular=True, adjective=0.05)
        return prepositional_phrase("to", person.english), preposition("zu", person, GrammaticalCase.DATIVE)
    return direction(place_phrase(draw))


def a_spot(draw: Draw, case: GrammaticalCase) -> tuple[str, str]:
    """A place at a piece of furniture: on the table, auf dem Tisch or auf den Tisch, by the case."""
    word = draw.pick(two_way_prepositions())
    phrase = a_noun_phrase(draw, draw.word(lexicon.select("furniture")), definite=True, singular=True, adjective=0.12)
    return prepositional_phrase(word.english, phrase.english), preposition(word.german, phrase, case)


@cache
def two_way_prepositions() -> tuple[Adverbial, ...]:
    """The prepositions that take the dative for a place and the accusative for a direction."""
    return lexicon.adverbials(words.TWO_WAY_PREPOSITIONS)


# --- Times ---------------------------------------------------------------------------------------------------------


@cache
def _times(tense: str) -> tuple[Adverbial, ...]:
    fixed = tuple(Adverbial(row[0], row[1]) for row in lexicon.rows(words.TIMES) if tense in row[2].split())
    weekdays = tuple(
        Adverbial(prepositional_phrase("on", _named(day)), f"am {tag}")
        for day, tag in lexicon.rows(words.WEEKDAYS)
        if tense != "present"
    )
    return fixed + weekdays


def a_time(draw: Draw, tense: str, *, clock: float = 0.15) -> Adverbial:
    """A time that fits the tense ("present", "past", "future", "modal"), sometimes by the clock."""
    if draw.chance(clock):
        time = clock_time(draw)
        return Adverbial(prepositional_phrase("at", time.english), f"um {time.german}")
    return draw.pick(_times(tense))


def clock_time(draw: Draw) -> Adverbial:
    """A full hour, or a time between."""
    hour = 1 + int(draw.random() * 12)
    return clock(draw.pick((0, 0, 0, 5, 10, 15, 20, 30, 30, 40, 45, 50, 55)), hour)


@cache
def clock(minute: int, hour: int) -> Adverbial:
    """quarter past three, Viertel nach drei; half past three, halb vier; ten to four, zehn vor vier.

    `hour` (1 to 12) is the hour that is named in English, so clock(40, 4) is twenty to four.
    """
    if minute == 0:
        unit = words.ENGLISH_UNITS[hour]
        full = marked(f"{unit} o'clock", lambda: f"(NP (CD {unit}) (RB o'clock))")
        return Adverbial(full, f"{words.GERMAN_UNITS[hour]} Uhr")
    if minute == 30:
        return Adverbial(_relative_time("half", "past", hour), f"halb {_hour(hour % 12 + 1)}")
    distance = minute if minute < 30 else 60 - minute
    relation = ("past", "nach") if minute < 30 else ("to", "vor")
    amount = ("quarter", "Viertel") if distance == 15 else (english.number(distance), german.number(distance))
    return Adverbial(_relative_time(amount[0], relation[0], hour), f"{amount[1]} {relation[1]} {_hour(hour)}")


def _relative_time(amount: str, relation: str, hour: int) -> str:
    """half past three."""
    tag = "NN" if amount in ("half", "quarter") else "CD"
    unit = words.ENGLISH_UNITS[hour]
    named = prepositional_phrase(relation, marked(unit, lambda: f"(NP (CD {unit}))"))
    return marked(f"{amount} {named}", lambda: f"(NP (NP ({tag} {amount})) {named.brackets})")


def _hour(hour: int) -> str:
    return "eins" if hour == 1 else words.GERMAN_UNITS[hour]


def a_frequency(draw: Draw, subject: Nominal) -> Adverbial:
    """often, oft; never, nie, though not of "every man", which would be "no man"."""
    every = isinstance(subject, NounPhrase) and subject.determiner is lexicon.EVERY
    return draw.pick(tuple(entry for entry in _frequencies() if not (every and entry.english == "never")))


@cache
def _frequencies() -> tuple[Adverbial, ...]:
    return lexicon.adverbials(words.FREQUENCIES)
