"""Constructions around the noun phrase: predicates, comparison, possession, compounds, numbers, clock times."""

from functools import cache

from numpy_transformer.data.phrasebook import actions, english, expressions, german, lexicon, nouns, sampling, words
from numpy_transformer.data.phrasebook.clauses import Form, Order, VerbPhrase, clause, join
from numpy_transformer.data.phrasebook.constituents import (
    adjective_brackets,
    brackets_of,
    prepositional_phrase,
)
from numpy_transformer.data.phrasebook.constituents import english as marked
from numpy_transformer.data.phrasebook.construction import Pair, construction, sentence
from numpy_transformer.data.phrasebook.expression_trees import expression
from numpy_transformer.data.phrasebook.german import Gender, GrammaticalCase
from numpy_transformer.data.phrasebook.lexicon import Adjective, Noun
from numpy_transformer.data.phrasebook.phrases import Nominal, NounPhrase, named_owner, noun_phrase, owned
from numpy_transformer.data.phrasebook.sampling import Draw

DEGREES = (("very", "sehr"), ("too", "zu"), ("really", "wirklich"))
# What one says of oneself and others by pronoun or name.
MOODS = (
    *("tall", "old", "young", "weak", "happy", "sad", "tired", "hungry", "thirsty", "healthy", "rich", "poor"),
    *("friendly", "nice", "clever", "lazy", "hard-working", "brave", "famous", "angry", "funny", "polite", "sick"),
)
EVERYTHING = "living food drink reading clothes opening object vehicle place show matter"


def a_predicate(draw: Draw) -> tuple[Nominal, Adjective]:
    """Somebody or something, and an adjective that fits."""
    if draw.chance(0.3):
        subject = sampling.a_person(draw, pronoun=0.8)
        if not isinstance(subject, NounPhrase):
            return subject, lexicon.adjectives()[draw.pick(MOODS)]
    noun = draw.word(lexicon.select(EVERYTHING))
    return sampling.a_noun_phrase(draw, noun, definite=True, adjective=0), draw.word(lexicon.adjectives_of(noun))


@construction("predicate adjective", 7, "The soup was very hot.", "Die Suppe war sehr heiß.")
def predicate(draw: Draw) -> Pair:
    """Behind "sein" the adjective takes no ending; before a noun it does. "was" is the one past form, with "had",
    that stays a simple past in German: war."""
    subject, adjective = a_predicate(draw)
    phrase = actions.to_be(adjective)
    if draw.chance(0.3):
        degree = draw.pick(DEGREES)
        how = marked(
            f"{degree[0]} {adjective.english}",
            lambda: f"(ADJP (RB {degree[0]}) {adjective_brackets(adjective.english)})",
        )
        phrase = VerbPhrase(phrase.verb, how, complement=f"{degree[1]} {phrase.complement}")
    form = Form.PAST if draw.chance(0.3) else Form.PRESENT
    if draw.chance(0.25):
        return sentence(clause(subject, phrase, form, order=Order.QUESTION), "?")
    negated = draw.chance(0.25)
    return sentence(clause(subject, phrase, form, negated=negated, contracted=draw.chance(0.4)))


@construction("comparison", 5, "The elephant is bigger than the mouse.", "Der Elefant ist größer als die Maus.")
def comparison(draw: Draw) -> Pair:
    """The comparative ends in -er for short and long adjectives alike, often with an umlaut; "than" is "als", "as
    ... as" is "so ... wie", and both sides stand in the nominative."""
    noun = draw.word(lexicon.select("living clothes object vehicle place reading show fruit"))
    compared = tuple(adjective for adjective in lexicon.adjectives_of(noun) if adjective.comparative)
    adjective = draw.pick(compared)
    partners = tuple(
        other for other in _class_of(noun) if adjective in lexicon.adjectives_of(other) and other is not noun
    )
    if not partners:
        return comparison.sample(draw)
    subject = sampling.a_noun_phrase(draw, noun, definite=True, adjective=0)
    other = sampling.a_noun_phrase(draw, draw.pick(partners), definite=True, adjective=0)
    return sentence(compare(subject, adjective, other, draw.pick(("more", "more", "more", "as", "not as"))))


@cache
def _class_of(noun: Noun) -> tuple[Noun, ...]:
    people = nouns.GROUPS["people"]
    return lexicon.select("people" if noun.section in people else noun.section)


def compare(subject: Nominal, adjective: Adjective, other: Nominal, degree: str) -> tuple[str, str]:
    """A clause of comparison; `degree` is "more", "as" or "not as"."""
    assert adjective.comparative is not None
    word, more = ("than", adjective.comparative[0]) if degree == "more" else ("as", f"as {adjective.english}")
    than = prepositional_phrase(word, other.english)
    source = marked(f"{more} {than}", lambda: f"(ADJP (ADJP {_compared(more)}) {than.brackets})")
    target = f"{adjective.comparative[1]} als {other.german(GrammaticalCase.NOMINATIVE)}"
    if degree != "more":
        target = f"so {adjective.german} wie {other.german(GrammaticalCase.NOMINATIVE)}"
    phrase = VerbPhrase(lexicon.be(), source, complement=target)
    return clause(subject, phrase, negated=degree == "not as")


def _compared(words: str) -> str:
    """The brackets of bigger, more expensive, as big."""
    first, _, adjective = words.rpartition(" ")
    if not first:
        return f"(JJR {adjective})"
    return f"({'RBR' if first == 'more' else 'RB'} {first}) (JJ {adjective})"


@construction("introducing", 4, "This is an old friend.", "Das ist ein alter Freund.")
def introducing(draw: Draw) -> Pair:
    """Both sides of "sein" stand in the nominative. "Das" stays the same for every gender and number, and the verb
    agrees with what follows."""
    if draw.chance(0.05):
        name = draw.pick(sampling.names())
        woman = name.gender == Gender.FEMININE
        owner, bearer = ("her", "sie heißt") if woman else ("his", "er heißt")
        owner, bearer = draw.pick(((owner, bearer), ("my", "ich heiße")))
        source = marked(
            f"{owner} name is {name.english}",
            lambda: f"(S (NP (PRP$ {owner}) (NN name)) (VP (VBZ is) {brackets_of(name.english)}))",
        )
        return sentence((source, f"{bearer} {name.english}"))
    noun = draw.word(lexicon.select(EVERYTHING))
    phrase = sampling.a_noun_phrase(draw, noun, adjective=0.6)
    while phrase.determiner in NOT_INTRODUCED:
        phrase = sampling.a_noun_phrase(draw, noun, adjective=0.6)
    negated = draw.chance(0.2)
    demonstrative = ("these", "are") if phrase.plural else ("this", "is")
    return sentence(introduce(phrase, demonstrative, negated=negated))


NOT_INTRODUCED = (lexicon.THIS, lexicon.THESE, lexicon.MANY, lexicon.SOME)  # "this is this book"


def introduce(phrase: NounPhrase, demonstrative: tuple[str, str], *, negated: bool = False) -> tuple[str, str]:
    """This is a dog, das ist ein Hund; these are not my shoes, das sind nicht meine Schuhe."""
    source = join(*demonstrative, "not" if negated else "", phrase.english)
    kein = negated and not phrase.determiner.definite
    named = (phrase.negated() if kein else phrase).german(GrammaticalCase.NOMINATIVE)
    this, be = demonstrative

    def brackets() -> str:
        verb = f"({'VBP' if be == 'are' else 'VBZ'} {be}) {'(RB not)' if negated else ''} {brackets_of(phrase.english)}"
        return f"(S (NP (DT {this})) (VP {verb}))"

    return marked(source, brackets), join(
        "das", "sind" if phrase.plural else "ist", "nicht" if negated and not kein else "", named
    )


@construction("possession", 5, "The teacher's car is new.", "Das Auto des Lehrers ist neu.")
def possession(draw: Draw) -> Pair:
    """The English owner comes first with 's; the German owner follows in the genitive (des Lehrers, meiner Mutter).
    Only a name stands in front, without an apostrophe: Annas Auto."""
    noun = draw.word(lexicon.select("animal clothes object vehicle room reading"))
    plural = noun.countable and draw.chance(0.25)
    if draw.chance(0.3):
        name = draw.pick(sampling.names())
        thing = noun_phrase(named_owner(name.english), noun, plural, sampling.described(draw, noun, 0.2))
    else:
        person = draw.word(lexicon.select("people"))
        several = person.plural_only or draw.chance(0.15)
        owner = noun_phrase(
            draw.pick(sampling.with_possessives((lexicon.THE,) * 4, person, several)),
            person,
            several,
            sampling.described(draw, person, 0.1),
        )
        thing = owned(owner, noun, plural, sampling.described(draw, noun, 0.1))
    if draw.chance(0.4):
        return sentence(clause(thing, actions.to_be(_another(draw, noun, thing.adjective))))
    subject = sampling.a_person(draw)
    verb = draw.pick(actions.verbs_taking(noun))
    return sentence(clause(subject, actions.with_object(verb, thing)))


def _another(draw: Draw, noun: Noun, used: Adjective | None) -> Adjective:
    return draw.pick(tuple(adjective for adjective in lexicon.adjectives_of(noun) if adjective is not used))


@construction("compounds", 5, "Where is the kitchen table?", "Wo ist der Küchentisch?")
def compounds(draw: Draw) -> Pair:
    """German writes compounds as one word, often with a joining letter (Küche + n + Tisch). The last part decides
    gender and plural: die Küche, der Tisch, der Küchentisch."""
    noun = draw.word(lexicon.compounds())
    chance = draw.random()
    if chance < 0.35:
        subject = sampling.a_noun_phrase(draw, noun, definite=True, adjective=0)
        phrase = actions.to_be(draw.word(lexicon.adjectives_of(noun)))
        return sentence(clause(subject, phrase, negated=draw.chance(0.2)))
    if chance < 0.45:
        subject = sampling.a_noun_phrase(draw, noun, definite=True, adjective=0.3)
        return sentence(clause(subject, VerbPhrase(lexicon.be()), order=Order.QUESTION, word=sampling.WHERE), "?")
    person = sampling.a_person(draw)
    verb = draw.pick(actions.verbs_taking(noun))
    form = actions.a_form(draw, verb, person.person, (Form.PRESENT, Form.PAST, Form.WANT, Form.CAN))
    return sentence(clause(person, actions.with_object(verb, sampling.a_noun_phrase(draw, noun)), form))


@construction("numbers", 3, "I have twenty-one books.", "Ich habe einundzwanzig Bücher.")
def numbers(draw: Draw) -> Pair:
    """German says the units before the tens and writes the number as one word. Numbers take no endings themselves,
    so an adjective behind them takes the strong ones."""
    if draw.chance(0.25):
        subject = sampling.a_person(draw, pronoun=0.5)
        n = 2 + int(draw.random() * 98)
        count = english.number(n)
        old = marked(f"{count} years old", lambda: f"(ADJP (NP (CD {count}) (NNS years)) (JJ old))")
        return sentence(clause(subject, VerbPhrase(lexicon.be(), old, complement=f"{german.number(n)} Jahre alt")))
    subject = sampling.a_person(draw)
    n = 2 + int(draw.random() * (11 if draw.chance(0.5) else 98))
    noun = draw.word(lexicon.select("animal fruit reading clothes item tableware gift"))
    phrase = noun_phrase(lexicon.numeral(n), noun, True, sampling.described(draw, noun, 0.25))
    verb = draw.pick(actions.verbs_taking(noun))
    forms = (Form.PRESENT, Form.PRESENT, Form.PAST)
    form = draw.pick(forms) if verb.base == "have" else actions.a_form(draw, verb, subject.person, forms)
    return sentence(clause(subject, actions.with_object(verb, phrase), form))


@construction("professions", 2, "My sister is a doctor.", "Meine Schwester ist Ärztin.")
def professions(draw: Draw) -> Pair:
    """A profession needs an article in English, none in German, and there it agrees with the person: Arzt, Ärztin."""
    woman = draw.chance(0.5)
    gender = Gender.FEMININE if woman else Gender.MASCULINE
    if draw.chance(0.3):
        subject: Nominal = sampling.PRONOUNS[3 if woman else 2]
    elif draw.chance(0.3):
        subject = draw.pick(tuple(name for name in sampling.names() if name.gender == gender))
    else:
        noun = draw.word(lexicon.select("female" if woman else "male"))
        subject = sampling.a_noun_phrase(draw, noun, definite=True, singular=True, adjective=0.1)
    phrase = to_be_a(draw.pick(_professions()), woman)
    form = draw.pick((Form.PRESENT, Form.PRESENT, Form.PAST))
    if draw.chance(0.25):
        return sentence(clause(subject, phrase, form, order=Order.QUESTION), "?")
    return sentence(clause(subject, phrase, form))


def to_be_a(profession: tuple[str, str, str], woman: bool) -> VerbPhrase:
    """is a doctor, ist Arzt or ist Ärztin; a profession is (English, German of a man, of a woman)."""
    article = english.indefinite_article(profession[0])
    source = marked(f"{article} {profession[0]}", lambda: f"(NP (DT {article}) (NN {profession[0]}))")
    return VerbPhrase(lexicon.be(), source, complement=profession[2 if woman else 1])


@cache
def _professions() -> tuple[tuple[str, str, str], ...]:
    return tuple((row[0], row[1], row[2]) for row in lexicon.rows(nouns.PROFESSIONS))


@construction("clock times", 1, "It is half past three.", "Es ist halb vier.")
def clock_times(draw: Draw) -> Pair:
    """German names the hour that is coming at the half hour: half past three is halfway to four. Days of the week
    follow the same plan in both languages."""
    if draw.chance(0.15):
        day = draw.pick(lexicon.adverbials(words.WEEKDAYS))
        days = (("today is", "heute ist"), ("tomorrow is", "morgen ist"), ("yesterday was", "gestern war"))
        source, target = draw.pick(days)

        def brackets() -> str:
            when, be = source.split()
            named = f"(VP ({'VBD' if be == 'was' else 'VBZ'} {be}) (NP (NNP {day.english})))"
            return f"(S (NP (NN {when})) {named})"

        return sentence((marked(f"{source} {day.english}", brackets), f"{target} {day.german}"))
    time = sampling.clock_time(draw)
    if draw.chance(0.2):
        already = marked(
            f"is it {time.english} already",
            lambda: f"(SQ (VBZ is) (NP (PRP it)) {brackets_of(time.english)} (ADVP (RB already)))",
        )
        return sentence((already, f"ist es schon {time.german}"), "?")
    now = marked(f"it is {time.english}", lambda: f"(S (NP (PRP it)) (VP (VBZ is) {brackets_of(time.english)}))")
    return sentence((now, f"es ist {time.german}"))


@construction("ordering", 2, "I would like a cup of coffee, please.", "Ich möchte bitte eine Tasse Kaffee.")
def ordering(draw: Draw) -> Pair:
    """What one says in a café: the polite "möchte" with an accusative object; "bitte" moves in behind the verb, and
    "of" has no German counterpart in a cup of coffee."""
    noun = draw.word(lexicon.select("food drink"))
    if noun.section == "drink" and draw.chance(0.7):
        phrase = actions.measured(draw, noun)
    elif noun.countable and draw.chance(0.4):
        phrase = noun_phrase(lexicon.numeral(2 + int(draw.random() * 11)), noun, True)
    else:
        determiner = lexicon.AN if noun.countable else lexicon.BARE
        phrase = noun_phrase(determiner, noun, False, sampling.described(draw, noun, 0.3))
    if draw.chance(0.2):
        offer = marked(
            f"would you like {phrase.english}",
            lambda: f"(SQ (MD would) (NP (PRP you)) (VP (VB like) {brackets_of(phrase.english)}))",
        )
        return sentence((offer, f"möchtest du {phrase.german(GrammaticalCase.ACCUSATIVE)}"), "?")
    return sentence(order(draw.chance(0.4), phrase, polite=draw.chance(0.5)))


def order(several: bool, phrase: NounPhrase, *, polite: bool) -> tuple[str, str]:
    """I would like an egg, please; ich möchte bitte ein Ei."""
    person, verb = ("we", "wir möchten") if several else ("I", "ich möchte")
    please, bitte = (", please", "bitte") if polite else ("", "")

    def brackets() -> str:
        would = f"(VP (MD would) (VP (VB like) {brackets_of(phrase.english)}))"
        return f"(S (NP (PRP {person})) {would} {'(, ,) (INTJ (UH please))' if polite else ''})"

    return marked(f"{person} would like {phrase.english}{please}", brackets), join(
        verb, bitte, phrase.german(GrammaticalCase.ACCUSATIVE)
    )


@construction("fixed expressions", 1, "Good morning!", "Guten Morgen!")
def fixed(draw: Draw) -> Pair:
    """Greetings, thanks and small talk cannot be put together from their words; they are learnt whole."""
    return draw.pick(fixed_expressions())


@cache
def fixed_expressions() -> tuple[Pair, ...]:
    """Every fixed expression, without repetition; the greetings also without a final mark."""
    found: dict[Pair, None] = {}
    for row in lexicon.rows(expressions.GREETINGS):
        for source, target in ((row[0], row[1]), (row[0].rstrip(".!?"), row[1].rstrip(".!?"))):
            found[Pair(expression(source), target)] = None
    for row in lexicon.rows(expressions.SMALL_TALK):
        found[Pair(expression(row[0]), row[1])] = None
    return tuple(found)
