"""Noun phrases and pronouns: one object that can say itself in English and in each German case."""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

from numpy_transformer.data.phrasebook import constituents, english, german
from numpy_transformer.data.phrasebook.constituents import (
    adjective_brackets,
    brackets_of,
    determiner_brackets,
    noun_brackets,
)
from numpy_transformer.data.phrasebook.german import Gender, GrammaticalCase, Person
from numpy_transformer.data.phrasebook.lexicon import (
    AN,
    NO,
    NO_ENDINGS,
    THE,
    WHICH,
    Adjective,
    Determiner,
    Noun,
    determiner,
)


class Nominal(Protocol):
    """What a subject or an object must offer."""

    @property
    def english(self) -> str:
        """As a subject: the old man, she."""

    @property
    def english_object(self) -> str:
        """As an object: the old man, her."""

    @property
    def person(self) -> Person:
        """What the verb agrees with."""

    def german(self, case: GrammaticalCase) -> str:
        """The phrase in a case."""


@dataclass(frozen=True, slots=True, eq=False)
class NounPhrase:
    """Determiner, adjective, noun and, in German, a tail such as a genitive or a relative clause."""

    english: str
    determiner: Determiner
    adjective: Adjective | None
    noun: Noun
    plural: bool
    tail: str = ""

    @property
    def english_object(self) -> str:
        """English nouns have no cases."""
        return self.english

    @property
    def person(self) -> Person:
        """Third person, singular or plural."""
        return Person.THEY if self.plural else Person.HE

    @property
    def column(self) -> Gender:
        """The column of the paradigms: the gender, or the plural."""
        return Gender.PLURAL if self.plural else self.noun.gender

    def german(self, case: GrammaticalCase) -> str:
        """Determiner, adjective and noun agree: den alten Mann."""
        column = self.column
        determiner = self.determiner.german[case][column]
        words = f"{determiner} " if determiner else ""
        if self.adjective:
            words += f"{self.adjective.stem}{self.determiner.endings[case][column]} "
        return words + self.noun.german[case][self.plural] + self.tail

    def negated(self) -> "NounPhrase":
        """The same English phrase with "kein" for "ein" or for no article: a dog, keinen Hund."""
        return NounPhrase(self.english, NO, self.adjective, self.noun, self.plural, self.tail)


@dataclass(frozen=True, slots=True, eq=False)
class Pronoun:
    """A personal pronoun: no genders of things here, so there is no "it"."""

    english: str
    english_object: str
    person: Person
    forms: tuple[str, str, str]  # nominative, accusative, dative

    def german(self, case: GrammaticalCase) -> str:
        """ich, mich, mir."""
        return self.forms[case]


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A person's name, the same in every case and both languages."""

    english: str
    gender: Gender

    @property
    def english_object(self) -> str:
        """The name."""
        return self.english

    @property
    def person(self) -> Person:
        """Third person singular."""
        return Person.HE

    def german(self, case: GrammaticalCase) -> str:
        """The name."""
        return self.english


@dataclass(frozen=True, slots=True, eq=False)
class Relative:
    """A relative or question pronoun as the subject of its clause."""

    english: str
    german_word: str
    person: Person

    @property
    def english_object(self) -> str:
        """The same word."""
        return self.english

    def german(self, case: GrammaticalCase) -> str:
        """Only the nominative is needed."""
        return self.german_word


PRONOUNS = (
    Pronoun("I", "me", Person.I, ("ich", "mich", "mir")),
    Pronoun("you", "you", Person.YOU, ("du", "dich", "dir")),
    Pronoun("he", "him", Person.HE, ("er", "ihn", "ihm")),
    Pronoun("she", "her", Person.HE, ("sie", "sie", "ihr")),
    Pronoun("we", "us", Person.WE, ("wir", "uns", "uns")),
    Pronoun("they", "them", Person.THEY, ("sie", "sie", "ihnen")),
)


def noun_phrase(
    determiner: Determiner,
    noun: Noun,
    plural: bool = False,
    adjective: Adjective | None = None,
    tail: tuple[str, str] = ("", ""),
) -> NounPhrase:
    """A noun phrase; `tail` is attached behind, with its own space or comma: (" of coffee", " Kaffee")."""
    plural = plural or noun.plural_only
    words = noun.english[plural] + tail[0]
    if adjective:
        words = f"{adjective.english} {words}"
    first = english.indefinite_article(words) if determiner is AN else determiner.english
    if first:
        words = f"{first} {words}"

    def brackets() -> str:
        structure = _noun(noun, plural, adjective)
        if first:
            structure = f"{determiner_brackets(first)} {structure}"
        structure = f"({'WHNP' if determiner is WHICH else 'NP'} {structure})"
        return f"(NP {structure} {brackets_of(tail[0])})" if tail[0] else structure

    return NounPhrase(constituents.english(words, brackets), determiner, adjective, noun, plural, tail[1])


def _noun(noun: Noun, plural: bool, adjective: Adjective | None) -> str:
    """The brackets of adjective and noun."""
    before = f"{adjective_brackets(adjective.english)} " if adjective else ""
    return before + noun_brackets(noun.english[plural], plural=plural, name=noun.section == "language")


def owned(owner: NounPhrase, noun: Noun, plural: bool = False, adjective: Adjective | None = None) -> NounPhrase:
    """The possessor in front in English, behind in the German genitive: the man's dog, der Hund des Mannes."""
    words = f"{adjective.english} {noun.english[plural]}" if adjective else noun.english[plural]
    possessive = english.possessive(owner.english, owner.plural)

    def brackets() -> str:
        mark = possessive.removeprefix(owner.english)
        return f"(NP {brackets_of(owner.english)[:-1]} (POS {mark})) {_noun(noun, plural, adjective)})"

    return NounPhrase(
        constituents.english(f"{possessive} {words}", brackets),
        THE,
        adjective,
        noun,
        plural,
        " " + owner.german(GrammaticalCase.GENITIVE),
    )


@cache
def named_owner(name: str) -> Determiner:
    """A name in front in both languages, without apostrophe in German: Anna's old dog, Annas alter Hund."""
    return determiner(f"{name}'s", f"{name}s", NO_ENDINGS, german.STRONG, definite=True)


def preposition(word: str, phrase: Nominal, case: GrammaticalCase, *, contract: bool = False) -> str:
    """Preposition and phrase: im Garten, zum Arzt; `contract` also joins "in das" and "an das" (places)."""
    words = f"{word} {phrase.german(case)}"
    if isinstance(phrase, NounPhrase) and phrase.determiner is THE:
        contractions = (
            german.ACCUSATIVE_CONTRACTIONS if case == GrammaticalCase.ACCUSATIVE else german.DATIVE_CONTRACTIONS
        )
        if contract or case != GrammaticalCase.ACCUSATIVE:
            for long, short in contractions.items():
                if words.startswith(long):
                    return short + words[len(long) :]
    return words
