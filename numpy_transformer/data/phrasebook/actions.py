"""Random verb phrases: a verb of one of the tables with objects that fit it."""

from collections.abc import Callable
from functools import cache

from numpy_transformer.data.phrasebook import lexicon, nouns, verbs, words
from numpy_transformer.data.phrasebook.clauses import Form, VerbPhrase, join
from numpy_transformer.data.phrasebook.constituents import adjective_brackets, beside, prepositional_phrase, tagged
from numpy_transformer.data.phrasebook.constituents import english as marked
from numpy_transformer.data.phrasebook.german import GrammaticalCase, Person
from numpy_transformer.data.phrasebook.lexicon import AN, BARE, Adjective, Adverbial, Noun, Verb
from numpy_transformer.data.phrasebook.phrases import Nominal, NounPhrase, Pronoun, noun_phrase, preposition
from numpy_transformer.data.phrasebook.sampling import (
    Draw,
    a_direction,
    a_location,
    a_noun_phrase,
    a_person,
    a_spot,
    another_person,
    cities,
)


@cache
def usable(table: str, acts: bool = True) -> tuple[Verb, ...]:
    """The verbs of a table; with `acts`, without the states ("I am knowing" is no English)."""
    return tuple(verb for verb in lexicon.verb_table(table) if not (acts and verb.stative))


@cache
def verbs_taking(noun: Noun) -> tuple[Verb, ...]:
    """The transitive verbs whose object the noun, or the head of a compound, may be."""
    return tuple(verb for verb in lexicon.verb_table("TRANSITIVE") if (noun.head or noun) in verb.objects)


# --- Given the words -----------------------------------------------------------------------------------------------


def with_object(verb: Verb, thing: Nominal, *, negated: bool = False) -> VerbPhrase:
    """A verb with an accusative object; pronouns go before the time, nouns behind it.

    `negated` prepares a negation: an indefinite object takes "kein", any other leaves it to "nicht".
    """
    if isinstance(thing, Pronoun):
        return VerbPhrase(verb, thing.english_object, pronouns=thing.german(GrammaticalCase.ACCUSATIVE))
    kein = negated and isinstance(thing, NounPhrase) and thing.determiner in (AN, BARE)
    german = thing.negated() if kein and isinstance(thing, NounPhrase) else thing
    accusative = german.german(GrammaticalCase.ACCUSATIVE)
    return VerbPhrase(verb, thing.english_object, field=accusative, kein=kein, definite=is_definite(thing))


def is_definite(thing: Nominal) -> bool:
    """Names, and noun phrases with the, this or a possessive."""
    return not isinstance(thing, NounPhrase) or thing.determiner.definite


def with_dative(verb: Verb, person: Nominal) -> VerbPhrase:
    """A verb whose only object is in the dative: helps him, hilft ihm."""
    german = person.german(GrammaticalCase.DATIVE)
    if isinstance(person, Pronoun):
        return VerbPhrase(verb, person.english_object, pronouns=german)
    return VerbPhrase(verb, person.english_object, field=german, definite=is_definite(person))


def with_two_objects(verb: Verb, receiver: Nominal, thing: NounPhrase) -> VerbPhrase:
    """gives the child the book, gibt dem Kind das Buch: dative before accusative."""
    source = beside(receiver.english_object, thing.english)
    dative, accusative = receiver.german(GrammaticalCase.DATIVE), thing.german(GrammaticalCase.ACCUSATIVE)
    if isinstance(receiver, Pronoun):
        return VerbPhrase(verb, source, pronouns=dative, field=accusative)
    return VerbPhrase(verb, source, field=f"{dative} {accusative}")


def with_preposition(verb: Verb, thing: Nominal) -> VerbPhrase:
    """A verb with the preposition and case that it governs: waits for him, wartet auf ihn."""
    return VerbPhrase(verb, thing.english_object, complement=preposition(verb.preposition, thing, verb.case))


def with_place(phrase: VerbPhrase, place: tuple[str, str]) -> VerbPhrase:
    """The phrase with a place behind its objects."""
    return phrase._replace(english=beside(phrase.english, place[0]), complement=join(phrase.complement, place[1]))


def to_be(adjective: Adjective) -> VerbPhrase:
    """A predicate adjective takes no ending: is old, ist alt."""
    english = marked(adjective.english, lambda: f"(ADJP {adjective_brackets(adjective.english)})")
    return VerbPhrase(lexicon.be(), english, complement=adjective.german)


# --- At random -----------------------------------------------------------------------------------------------------


def transitive(
    draw: Draw,
    subject: Nominal,
    *,
    acts: bool = False,
    definite: bool = False,
    negated: bool = False,
    among: tuple[Verb, ...] = (),
) -> VerbPhrase:
    """Someone does something: buys a house, sees her, opens the door. `among` restricts the choice."""
    verb = draw.pick(among or usable("TRANSITIVE", acts))
    noun = draw.word(verb.objects)
    if noun.section in nouns.GROUPS["people"]:
        # English would put a pronoun between verb and particle: "picks me up".
        pronoun = 0.0 if verb.particle in (" up", " on", " off") else 0.5
        return with_object(verb, another_person(draw, subject, lexicon.select("people"), pronoun=pronoun))
    if definite and noun.section == "language":  # never definite: "sie spricht kein Englisch"
        return transitive(draw, subject, acts=acts, definite=definite, among=among)
    thing = an_object(draw, noun, subject, definite=definite)
    while negated and not (thing.determiner.definite or thing.determiner in (AN, BARE)):
        thing = an_object(draw, noun, subject)  # "not many books" is another meaning
    return with_object(verb, thing, negated=negated)


def an_object(draw: Draw, noun: Noun, subject: Nominal, *, definite: bool = False) -> NounPhrase:
    """A noun phrase for a thing; a drink may come in its cup."""
    if noun.section == "drink" and not definite and draw.chance(0.25):
        return measured(draw, noun)
    return a_noun_phrase(draw, noun, definite=definite)


def measured(draw: Draw, drink: Noun) -> NounPhrase:
    """a cup of coffee, eine Tasse Kaffee: no "of" in German."""
    container = lexicon.noun(draw.pick(("cup", "glass", "bottle")))
    of_it = marked(f" of {drink.english[0]}", lambda: f"(PP (IN of) (NP {tagged('NN', drink.english[0])}))")
    tail = (of_it, f" {drink.german[GrammaticalCase.NOMINATIVE][0]}")
    if draw.chance(0.7):
        return noun_phrase(AN, container, tail=tail)
    return noun_phrase(lexicon.numeral(2 + int(draw.random() * 5)), container, True, tail=tail)


def separable(draw: Draw, subject: Nominal, *, acts: bool = True, definite: bool = False) -> VerbPhrase:
    """A verb whose prefix leaves it: opens the door, macht die Tür auf."""
    return transitive(draw, subject, definite=definite, among=usable("SEPARABLE"))


def intransitive(draw: Draw, subject: Nominal, *, acts: bool = True, definite: bool = False) -> VerbPhrase:
    """Someone does something alone, perhaps in some manner or place: sleeps well, works in the garden."""
    verb = draw.pick(usable("INTRANSITIVE"))
    return with_manner(draw, verb, subject) if draw.chance(0.25) else perhaps_placed(draw, verb)


def plain(draw: Draw, subject: Nominal, *, acts: bool = True, definite: bool = False) -> VerbPhrase:
    """Verbs such as get up and hurry, perhaps with a manner."""
    verb = draw.pick(usable("PLAIN"))
    return with_manner(draw, verb, subject) if draw.chance(0.4) else VerbPhrase(verb)


def perhaps_placed(draw: Draw, verb: Verb) -> VerbPhrase:
    """The verb, with a place where it has one."""
    if verb.base in verbs.NEVER_PLACED or draw.chance(0.35):
        return VerbPhrase(verb)
    return with_place(VerbPhrase(verb), a_location(draw))


def with_manner(draw: Draw, verb: Verb, subject: Nominal) -> VerbPhrase:
    """The verb with an adverb that fits it, if there is one."""
    fitting = manners(verb, subject.person in (Person.WE, Person.THEY))
    if not fitting:
        return VerbPhrase(verb)
    manner = draw.pick(fitting)
    return VerbPhrase(verb, manner.english, complement=manner.german)


@cache
def manners(verb: Verb, several: bool) -> tuple[Adverbial, ...]:
    """The manner adverbs that fit a verb; "together" only for several people."""
    return tuple(
        Adverbial(row[0], row[1])
        for row in lexicon.rows(words.MANNERS)
        if verb.base in row[2].split() and (several or row[0] != "together")
    )


def motion(draw: Draw, subject: Nominal, *, acts: bool = True, definite: bool = False) -> VerbPhrase:
    """Someone goes somewhere: goes to the park, geht in den Park; flies to Rome, fliegt nach Rom."""
    if draw.chance(0.25):
        town = draw.pick(cities())
        place = (prepositional_phrase("to", town.english), f"nach {town.german}")
        return VerbPhrase(draw.pick(usable("JOURNEY")), place[0], complement=place[1])
    english, german = a_direction(draw)
    return VerbPhrase(draw.pick(usable("MOTION")), english, complement=german)


def position(draw: Draw, subject: Nominal, *, acts: bool = False, definite: bool = False) -> VerbPhrase:
    """Someone is somewhere: sits under the tree, lives in the city."""
    verb = draw.pick(usable("POSITION", acts))
    if verb.base in ("sit", "stand", "lie") and draw.chance(0.5):
        return with_place(VerbPhrase(verb), a_spot(draw, GrammaticalCase.DATIVE))
    return with_place(VerbPhrase(verb), a_location(draw))


def placing(draw: Draw, subject: Nominal, *, acts: bool = True, definite: bool = False) -> VerbPhrase:
    """Someone puts something somewhere: puts the book on the table, legt das Buch auf den Tisch."""
    verb = draw.pick(usable("PLACING"))
    thing = a_noun_phrase(draw, draw.word(verb.objects), definite=definite, adjective=0.1)
    return with_place(with_object(verb, thing), a_spot(draw, GrammaticalCase.ACCUSATIVE))


def dative(draw: Draw, subject: Nominal, *, acts: bool = False, definite: bool = False) -> VerbPhrase:
    """Someone helps or thanks somebody, in the dative."""
    verb = draw.pick(usable("DATIVE", acts))
    return with_dative(verb, another_person(draw, subject, verb.objects))


def ditransitive(draw: Draw, subject: Nominal, *, acts: bool = True, definite: bool = False) -> VerbPhrase:
    """Someone gives somebody something.

    The thing always has a determiner: "writes her letters" would be both "ihr Briefe" and "ihre Briefe".
    """
    verb = draw.pick(usable("DITRANSITIVE"))
    receiver = another_person(draw, subject, lexicon.select("people"))
    noun = draw.word(verb.objects)
    thing = a_noun_phrase(draw, noun, definite=definite, adjective=0.12)
    while thing.determiner is BARE:
        thing = a_noun_phrase(draw, noun, definite=definite, adjective=0.12)
    return with_two_objects(verb, receiver, thing)


def prepositional(draw: Draw, subject: Nominal, *, acts: bool = False, definite: bool = False) -> VerbPhrase:
    """Someone waits for, thinks of, dreams of something."""
    verb = draw.pick(usable("PREPOSITIONAL", acts))
    noun = draw.word(verb.objects)
    if noun.section in nouns.GROUPS["people"]:
        return with_preposition(verb, another_person(draw, subject, lexicon.select("people")))
    return with_preposition(verb, a_noun_phrase(draw, noun, definite=True, adjective=0.12))


# Repetition is weight.
_KINDS: tuple[Callable[..., VerbPhrase], ...] = (
    *(transitive,) * 10,
    *(intransitive,) * 4,
    *(separable,) * 4,
    *(motion,) * 3,
    *(plain, plain, ditransitive, ditransitive, prepositional, prepositional, dative, placing),
)


def action(draw: Draw, subject: Nominal, *, definite: bool = False) -> VerbPhrase:
    """Any act, no state: fits every tense and modal."""
    return draw.pick(_KINDS)(draw, subject, acts=True, definite=definite)


@cache
def animal_verbs(table: str) -> tuple[Verb, ...]:
    """The verbs of a table that fit animals."""
    return tuple(verb for verb in usable(table) if verb.base in verbs.ANIMAL_VERBS[table])


def animal_action(draw: Draw, subject: Nominal, *, definite: bool = False) -> VerbPhrase:
    """What an animal does."""
    table = draw.pick(("TRANSITIVE", "TRANSITIVE", "INTRANSITIVE", "PLAIN", "POSITION"))
    if table == "TRANSITIVE":
        return transitive(draw, subject, definite=definite, among=animal_verbs(table))
    verb = draw.pick(animal_verbs(table))
    if table == "POSITION":
        return with_place(
            VerbPhrase(verb), a_spot(draw, GrammaticalCase.DATIVE) if draw.chance(0.5) else a_location(draw)
        )
    return perhaps_placed(draw, verb) if table == "INTRANSITIVE" else VerbPhrase(verb)


def scene(draw: Draw, form: Form, *, definite: bool = False) -> tuple[Nominal, VerbPhrase]:
    """Somebody, in one of eight cases an animal, and what he, she or it does, in an English that shows the form."""
    if draw.chance(0.125):
        animal = draw.word(lexicon.select("beast"))
        subject: Nominal = a_noun_phrase(draw, animal, subject=True, definite=definite)
        phrase = animal_action(draw, subject, definite=definite)
        while not is_clear(phrase.verb, subject.person, form):
            phrase = animal_action(draw, subject, definite=definite)
        return subject, phrase
    subject = a_person(draw, definite=definite)
    return subject, act(draw, subject, form, definite=definite)


def act(draw: Draw, subject: Nominal, form: Form, *, definite: bool = False) -> VerbPhrase:
    """An action whose English shows the form."""
    phrase = action(draw, subject, definite=definite)
    while not is_clear(phrase.verb, subject.person, form):
        phrase = action(draw, subject, definite=definite)
    return phrase


def is_clear(verb: Verb, person: Person, form: Form) -> bool:
    """False for "they cut", which may be present or past, and for "is seeing", which nobody says."""
    if form is Form.PROGRESSIVE:
        return bool(verb.progressive)
    return form is not Form.PAST or verb.past != verb.base or person is Person.HE


def a_form(draw: Draw, verb: Verb, person: Person, forms: tuple[Form, ...]) -> Form:
    """One of the forms; the present for states, and where the English form would not be clear."""
    form = Form.PRESENT if verb.stative else draw.pick(forms)
    return form if is_clear(verb, person, form) else Form.PRESENT
