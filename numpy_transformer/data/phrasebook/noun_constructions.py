"""Constructions around the noun phrase: predicates, comparison, possession, compounds, numbers, clock times."""

from functools import cache

from numpy_transformer.data.phrasebook import actions, english, expressions, german, lexicon, nouns, sampling, words
from numpy_transformer.data.phrasebook.clauses import Form, Order, VerbPhrase, clause, join
from numpy_transformer.data.phrasebook.construction import Pair, construction, sentence
from numpy_transformer.data.phrasebook.german import Case, Gender
from numpy_transformer.data.phrasebook.lexicon import Adjective, Adverbial, Noun
from numpy_transformer.data.phrasebook.phrases import (
    PRONOUNS,
    Name,
    Nominal,
    NounPhrase,
    named_owner,
    noun_phrase,
    owned,
)
from numpy_transformer.data.phrasebook.sampling import Draw

DEGREES = (("very", "sehr"), ("too", "zu"), ("really", "wirklich"))
# What one says of oneself and others by pronoun.
MOODS = (
    *("tall", "old", "young", "weak", "happy", "sad", "tired", "hungry", "thirsty", "healthy", "rich", "poor"),
    *("friendly", "nice", "clever", "lazy", "hard-working", "brave", "famous", "angry", "funny", "polite", "sick"),
)
EVERYTHING = "living food drink reading clothes opening object vehicle place show matter"


def a_predicate(draw: Draw) -> tuple[Nominal, Adjective]:
    """Somebody or something, and an adjective that fits."""
    if draw.chance(0.35):
        return sampling.a_person(draw, pronoun=0.8), lexicon.adjectives()[draw.pick(MOODS)]
    noun = draw.pick(lexicon.select(EVERYTHING))
    subject = sampling.a_noun_phrase(draw, noun, definite=True, adjective=0.1)
    return subject, draw.pick(lexicon.adjectives_of(noun))


@construction("predicate adjective", 6, "The old houses were very beautiful.", "Die alten Häuser waren sehr schön.")
def predicate(draw: Draw) -> Pair:
    """Behind "sein" the adjective takes no ending; before a noun it does. "was" is the one past form, with "had",
    that stays a simple past in German: war."""
    subject, adjective = a_predicate(draw)
    while isinstance(subject, NounPhrase) and subject.adjective is not None and draw.chance(1.0):
        subject, adjective = a_predicate(draw)
    phrase = actions.to_be(adjective)
    if draw.chance(0.3):
        degree = draw.pick(DEGREES)
        phrase = VerbPhrase(phrase.verb, f"{degree[0]} {phrase.english}", complement=f"{degree[1]} {phrase.complement}")
    form = Form.PAST if draw.chance(0.3) else Form.PRESENT
    if draw.chance(0.25):
        return sentence(clause(subject, phrase, form, order=Order.QUESTION), "?")
    negated = draw.chance(0.2)
    return sentence(clause(subject, phrase, form, negated=negated, contracted=draw.chance(0.4)))
