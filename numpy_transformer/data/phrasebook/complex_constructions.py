"""Sentences of more than one clause: subordinate and relative clauses, coordination, infinitives."""

from functools import partial

from numpy_transformer.data.phrasebook import actions, lexicon, nouns, sampling
from numpy_transformer.data.phrasebook.clauses import Form, Order, VerbPhrase, clause, join
from numpy_transformer.data.phrasebook.constituents import PARTICLES, brackets_of, filled, subordinate, verb_phrase
from numpy_transformer.data.phrasebook.constituents import english as marked
from numpy_transformer.data.phrasebook.construction import Pair, construction, sentence
from numpy_transformer.data.phrasebook.german import REFLEXIVE, Gender, GrammaticalCase, Person
from numpy_transformer.data.phrasebook.lexicon import THE, Adverbial, Noun, Verb
from numpy_transformer.data.phrasebook.noun_constructions import MOODS
from numpy_transformer.data.phrasebook.phrases import PRONOUNS, Name, Nominal, NounPhrase, Relative, noun_phrase
from numpy_transformer.data.phrasebook.questions import WHEN, WHY
from numpy_transformer.data.phrasebook.sampling import Draw, a_person

REASONS = (Adverbial("because", "weil"), Adverbial("because", "weil"), Adverbial("although", "obwohl"))
CONJUNCTIONS = ((" and ", " und "), (", but ", ", aber "))
CONJUNCTION_BRACKETS = {" and ": "(CC and)", ", but ": "(, ,) (CC but)"}
CONDITIONS = (Adverbial("if", "wenn"), Adverbial("when", "wenn"))

RELATIVE_PRONOUN = (  # like the article, but "denen" in the dative plural
    ("der", "die", "das", "die"),
    ("den", "die", "das", "die"),
    ("dem", "der", "dem", "denen"),
)


def same_person(draw: Draw, subject: Nominal) -> Nominal:
    """The pronoun that takes up the subject, where English and the noun's meaning settle it; else somebody."""
    if isinstance(subject, Name):
        return PRONOUNS[2 if subject.gender == Gender.MASCULINE else 3]
    if isinstance(subject, NounPhrase):
        if subject.plural:
            return PRONOUNS[5]
        for group, pronoun in (("male", PRONOUNS[2]), ("female", PRONOUNS[3])):
            if subject.noun.section in nouns.GROUPS[group]:
                return pronoun
        return a_person(draw)
    return subject


def a_mood(draw: Draw, subject: Nominal) -> VerbPhrase:
    """How somebody is, which is not yet said in front of the noun."""
    adjective = lexicon.adjectives()[draw.pick(MOODS)]
    if isinstance(subject, NounPhrase) and subject.adjective is adjective:
        return a_mood(draw, subject)
    return actions.to_be(adjective)


def a_clause(
    draw: Draw, subject: Nominal, word: Adverbial, forms: tuple[Form, ...], *, mood: float = 0.3
) -> tuple[str, str]:
    """A subordinate clause: conjunction first, German finite verb last."""
    if draw.chance(mood):
        form = Form.PAST if Form.PAST in forms and draw.chance(0.5) else Form.PRESENT
        return clause(subject, a_mood(draw, subject), form, order=Order.LAST, word=word)
    form = draw.pick(forms)
    return clause(subject, actions.act(draw, subject, form), form, order=Order.LAST, word=word)


@construction(
    "because and although",
    7,
    "The man is sad because he lost his key.",
    "Der Mann ist traurig, weil er seinen Schlüssel verloren hat.",
)
def because(draw: Draw) -> Pair:
    """A conjunction sends the finite verb to the very end, behind participle or infinitive and joined with its
    prefix; a comma always separates the clause."""
    subject = a_person(draw)
    past = draw.chance(0.35)
    form = Form.PAST if past else Form.PRESENT
    phrase = a_mood(draw, subject) if draw.chance(0.4) else actions.act(draw, subject, form)
    main = clause(subject, phrase, form)
    other = same_person(draw, subject) if draw.chance(0.6) else a_person(draw)
    forms = (
        (Form.PAST, Form.WANTED, Form.HAD_TO) if past else (Form.PRESENT, Form.PRESENT, Form.CAN, Form.MUST, Form.WANT)
    )
    reason = a_clause(draw, other, draw.pick(REASONS), forms)
    return sentence((followed(main[0], reason[0]), f"{main[1]}, {reason[1]}"))


def followed(clause: str, inner: str) -> str:
    """A clause with another one, or an infinitive, at the end of its verb phrase."""
    return marked(f"{clause} {inner}", lambda: filled(clause, brackets_of(inner)))


@construction("that and whether", 6, "I hope that she comes home.", "Ich hoffe, dass sie nach Hause kommt.")
def that_whether(draw: Draw) -> Pair:
    """The object is a whole clause, again with its verb last: know that, wissen, dass; also behind question words,
    where English gives up its inversion too."""
    subject = a_person(draw, definite=True)
    verb = draw.pick(lexicon.verb_table("CLAUSAL"))
    forms = (Form.PRESENT, Form.PRESENT, Form.PAST, Form.CAN, Form.MUST, Form.WANT, Form.FUTURE)
    other = a_person(draw)
    if verb.base == "know" and draw.chance(0.7):
        word = draw.pick((Adverbial("whether", "ob"), sampling.WHERE, WHEN, WHY))
        if word is sampling.WHERE:
            place_verb = draw.pick((*actions.usable("INTRANSITIVE"), *actions.usable("POSITION", False)))
            inner = clause(other, VerbPhrase(place_verb), order=Order.LAST, word=word)
        else:
            inner = a_clause(draw, other, word, forms, mood=0.2 if word.english in ("whether", "why") else 0)
        negated = draw.chance(0.5)
    else:
        inner = a_clause(draw, other, Adverbial("that", "dass"), forms)
        negated = verb.base == "think" and draw.chance(0.3)
    main = clause(subject, VerbPhrase(verb), negated=negated, contracted=draw.chance(0.6))
    return sentence((followed(main[0], inner[0]), f"{main[1]}, {inner[1]}"))


@construction(
    "if and when first",
    4,
    "If it rains, we stay at home.",
    "Wenn es regnet, bleiben wir zu Hause.",
)
def if_first(draw: Draw) -> Pair:
    """A subordinate clause in front is the first element, so the finite verb of the main clause follows at once:
    two verbs meet at the comma."""
    word = draw.pick(CONDITIONS)
    if draw.chance(0.2):
        weather = draw.pick(
            (("it rains", "es regnet"), ("it snows", "es schneit"), ("the sun shines", "die Sonne scheint"))
        )
        source = marked(f"{word.english} {weather[0]}", partial(subordinate, word.english, weather[0]))
        condition: tuple[str, str] = source, f"{word.german} {weather[1]}"
    else:
        condition = a_clause(draw, a_person(draw), word, (Form.PRESENT, Form.PRESENT, Form.CAN, Form.WANT))
    subject = a_person(draw)
    phrase = actions.action(draw, subject)
    form = draw.pick((Form.PRESENT, Form.PRESENT, Form.CAN, Form.MUST, Form.SHOULD, Form.FUTURE))
    return sentence(in_front(condition, subject, phrase, form))


def in_front(condition: tuple[str, str], subject: Nominal, phrase: VerbPhrase, form: Form) -> tuple[str, str]:
    """A subordinate clause and the main clause behind it, inverted in German."""
    source, _ = clause(subject, phrase, form)
    _, inverted = clause(subject, phrase, form, order=Order.QUESTION)

    def brackets() -> str:
        return f"(S {brackets_of(condition[0])} (, ,) {brackets_of(source).removeprefix('(S ')}"

    return marked(f"{condition[0]}, {source}", brackets), f"{condition[1]}, {inverted}"


@construction(
    "relative clauses",
    7,
    "I know the man who lives in Berlin.",
    "Ich kenne den Mann, der in Berlin wohnt.",
)
def relative(draw: Draw) -> Pair:
    """The relative pronoun takes gender and number from its noun, but its case from its own clause, whose verb is
    last; commas enclose the clause."""
    noun, plural, inner = _person_and_clause(draw) if draw.chance(0.5) else _thing_and_clause(draw)
    if draw.chance(0.5):
        head = noun_phrase(THE, noun, plural, tail=(behind(inner[0]), f", {inner[1]},"))
        phrase = actions.to_be(draw.word(lexicon.adjectives_of(noun)))
        return sentence(clause(head, phrase, draw.pick((Form.PRESENT, Form.PRESENT, Form.PAST))))
    verbs = tuple(verb for verb in actions.verbs_taking(noun) if verb.base in OUTER)
    if not verbs:
        return relative.sample(draw)
    adjective = sampling.described(draw, noun, 0.1)
    head = noun_phrase(THE, noun, plural, adjective, (behind(inner[0]), f", {inner[1]}"))
    return sentence(clause(a_person(draw), actions.with_object(draw.pick(verbs), head)))


def behind(clause: str) -> str:
    """A relative clause as the tail of a noun phrase."""
    return marked(f" {clause}", partial(filled, clause, ""))


OUTER = ("see", "know", "like", "buy", "find", "need", "have", "read", "hear", "understand", "meet")


def _person_and_clause(draw: Draw) -> tuple[Noun, bool, tuple[str, str]]:
    """People, whether several, and a clause in which they are the subject or an object."""
    noun = draw.word(lexicon.select("people"))
    plural = noun.plural_only or draw.chance(0.2)
    if draw.chance(0.4):
        case = draw.pick((GrammaticalCase.ACCUSATIVE, GrammaticalCase.ACCUSATIVE, GrammaticalCase.DATIVE))
        table = lexicon.verb_table("DATIVE") if case == GrammaticalCase.DATIVE else actions.verbs_taking(noun)
        return noun, plural, object_relative(draw, noun, plural, case, draw.pick(table))
    person = Person.THEY if plural else Person.HE
    word = RELATIVE_PRONOUN[GrammaticalCase.NOMINATIVE][Gender.PLURAL if plural else noun.gender]
    pronoun = Relative("who", word, person)
    phrase = draw.pick((actions.action, actions.position))(draw, pronoun)
    form = actions.a_form(draw, phrase.verb, person, (Form.PRESENT, Form.PRESENT, Form.PAST, Form.CAN, Form.WANT))
    return noun, plural, clause(pronoun, phrase, form, order=Order.LAST)


def _thing_and_clause(draw: Draw) -> tuple[Noun, bool, tuple[str, str]]:
    """Things, whether several, and a clause in which they are the accusative object."""
    verb = draw.pick(lexicon.verb_table("TRANSITIVE"))
    unfit = (*nouns.GROUPS["people"], "language", "unique")
    things = tuple(thing for thing in verb.objects if thing.section not in unfit)
    if not things:
        return _thing_and_clause(draw)
    noun = draw.pick(things)
    plural = noun.countable and draw.chance(0.2)
    return noun, plural, object_relative(draw, noun, plural, GrammaticalCase.ACCUSATIVE, verb)


def object_relative(draw: Draw, noun: Noun, plural: bool, case: GrammaticalCase, verb: Verb) -> tuple[str, str]:
    """that the woman reads, das die Frau liest; whom I help, dem ich helfe."""
    column = Gender.PLURAL if plural else noun.gender
    whom, tag = ("whom", "WP") if noun.section in nouns.GROUPS["people"] else ("that", "WDT")
    word = Adverbial(marked(whom, lambda: f"(WHNP ({tag} {whom}))"), RELATIVE_PRONOUN[case][column])
    subject = a_person(draw)
    while isinstance(subject, NounPhrase) and subject.noun is noun:
        subject = a_person(draw)
    form = actions.a_form(draw, verb, subject.person, (Form.PRESENT, Form.PAST, Form.PAST, Form.WANT))
    return clause(subject, VerbPhrase(verb), form, order=Order.LAST, word=word)


@construction(
    "two main clauses",
    4,
    "The father cooks, but the children play in the garden.",
    "Der Vater kocht, aber die Kinder spielen im Garten.",
)
def two_clauses(draw: Draw) -> Pair:
    """The conjunctions "und" and "aber" change nothing: both clauses keep the verb second."""
    first, second = a_person(draw), a_person(draw)
    form = draw.pick((Form.PRESENT, Form.PRESENT, Form.PAST))
    left = clause(first, actions.act(draw, first, form), form)
    right = clause(second, actions.act(draw, second, form), form)
    conjunction = draw.pick(CONJUNCTIONS)

    def brackets() -> str:
        return f"(S {brackets_of(left[0])} {CONJUNCTION_BRACKETS[conjunction[0]]} {brackets_of(right[0])})"

    both = marked(f"{left[0]}{conjunction[0]}{right[0]}", brackets)
    return sentence((both, f"{left[1]}{conjunction[1]}{right[1]}"))


# --- Infinitives ---------------------------------------------------------------------------------------------------


def to_group(phrase: VerbPhrase) -> str:
    """The infinitive with "to" in front: to open the box."""
    verb = phrase.verb

    def brackets() -> str:
        inner = PARTICLES[verb.particle].format(brackets_of(phrase.english))
        return verb_phrase([("TO", "to"), ("VB", verb.base)], inner)

    return marked(join("to", verb.base + verb.particle, phrase.english), brackets)


def zu_group(phrase: VerbPhrase, person: Person) -> str:
    """The infinitive with "zu" behind its objects: das Fenster aufzumachen."""
    reflexive = REFLEXIVE[person] if phrase.verb.reflexive else ""
    return join(reflexive, phrase.pronouns, phrase.field, phrase.complement, phrase.verb.zu_infinitive)


@construction(
    "infinitive with zu",
    4,
    "The boy tries to open the box.",
    "Der Junge versucht, die Kiste aufzumachen.",
)
def infinitive(draw: Draw) -> Pair:
    """Where no modal governs it, the infinitive takes "zu", at the end behind its objects; a separable verb takes it
    inside."""
    subject = a_person(draw)
    verb = draw.pick(lexicon.verb_table("INFINITIVAL"))
    phrase = actions.action(draw, subject)
    form = actions.a_form(draw, verb, subject.person, (Form.PRESENT, Form.PRESENT, Form.PAST))
    source, target = clause(subject, VerbPhrase(verb), form)
    return sentence((followed(source, to_group(phrase)), f"{target}, {zu_group(phrase, subject.person)}"))


@construction(
    "purpose",
    3,
    "She goes to the market to buy apples.",
    "Sie geht auf den Markt, um Äpfel zu kaufen.",
)
def purpose(draw: Draw) -> Pair:
    """The purpose is a bare "to" in English, but a bracket of its own in German: um ... zu."""
    subject = a_person(draw)
    outer = actions.motion(draw, subject)
    phrase = draw.pick((actions.transitive, actions.transitive, actions.separable))(draw, subject, acts=True)
    source, target = clause(subject, outer, draw.pick((Form.PRESENT, Form.PAST, Form.WANT)))
    return sentence((followed(source, to_group(phrase)), f"{target}, um {zu_group(phrase, subject.person)}"))
