"""Constructions around the verb: its place, its tenses, its objects, its negation."""

from numpy_transformer.data.phrasebook import actions, lexicon, sampling
from numpy_transformer.data.phrasebook.clauses import Form, Order, VerbPhrase, clause, join
from numpy_transformer.data.phrasebook.constituents import (
    HOLE,
    PARTICLES,
    beside,
    brackets_of,
    clause_brackets,
    prepositional_phrase,
    verb_phrase,
)
from numpy_transformer.data.phrasebook.constituents import english as marked
from numpy_transformer.data.phrasebook.construction import Pair, construction, sentence
from numpy_transformer.data.phrasebook.german import REFLEXIVE, GrammaticalCase, Person
from numpy_transformer.data.phrasebook.lexicon import Adverbial
from numpy_transformer.data.phrasebook.phrases import PRONOUNS, Nominal, NounPhrase, noun_phrase
from numpy_transformer.data.phrasebook.sampling import Draw, a_person, a_time

PAST_MODALS = (Form.WANTED, Form.HAD_TO)
MODAL_FORMS = (Form.CAN, Form.MUST, Form.WANT, Form.SHOULD, Form.MAY, Form.HAVE_TO, Form.WOULD_LIKE)
LATE = (
    (Adverbial("already", "schon"), False),
    (Adverbial("never", "noch nie"), False),
    (Adverbial("yet", "noch nicht"), True),
)


@construction("accusative object", 10, "The man buys a red car.", "Der Mann kauft ein rotes Auto.")
def accusative(draw: Draw) -> Pair:
    """The object of most verbs stands in the accusative. Only the masculine singular shows it (der Mann, den Mann),
    but determiner and adjective must agree with a gender that English does not have."""
    if draw.chance(0.1):
        subject, phrase = actions.scene(draw, Form.PRESENT)
    else:
        subject = a_person(draw)
        phrase = actions.transitive(draw, subject)
    acts = not phrase.verb.stative
    frequency = sampling.a_frequency(draw, subject) if acts and draw.chance(0.2) else None
    time = a_time(draw, "present") if acts and not frequency and draw.chance(0.15) else None
    return sentence(clause(subject, phrase, time=time, frequency=frequency))


@construction("verb second", 7, "Every day the woman drinks coffee.", "Jeden Tag trinkt die Frau Kaffee.")
def verb_second(draw: Draw) -> Pair:
    """The finite verb is always the second element of a main clause. When a time comes first, the subject moves
    behind the verb, while English keeps subject before verb."""
    subject, phrase = actions.scene(draw, Form.PRESENT)
    return sentence(clause(subject, phrase, time=a_time(draw, "present"), fronted=True))


@construction("progressive", 6, "The child is reading a book.", "Das Kind liest gerade ein Buch.")
def progressive(draw: Draw) -> Pair:
    """German has no progressive. The simple present says it, and "gerade" marks that it happens just now; it stands
    behind the verb and its pronouns, before the other objects."""
    subject, phrase = actions.scene(draw, Form.PROGRESSIVE)
    return sentence(clause(subject, phrase, Form.PROGRESSIVE, contracted=draw.chance(0.4)))


@construction("perfect tense", 10, "Yesterday the boy ate the cake.", "Gestern hat der Junge den Kuchen gegessen.")
def perfect(draw: Draw) -> Pair:
    """Spoken German tells the past in the perfect: haben or (for motion and change) sein is finite and second, the
    participle goes to the end. The English simple past is one word in the middle."""
    subject, phrase = actions.scene(draw, Form.PAST)
    time = a_time(draw, "past") if draw.chance(0.5) else None
    return sentence(clause(subject, phrase, Form.PAST, time=time, fronted=draw.chance(0.5)))


@construction("already and not yet", 4, "I have not read the letter yet.", "Ich habe den Brief noch nicht gelesen.")
def present_perfect(draw: Draw) -> Pair:
    """The English present perfect is the same German perfect. "schon", "noch nie" and "noch nicht" stand where
    "nicht" stands: behind definite objects, before the participle."""
    subject = a_person(draw, definite=True)
    late, negated = draw.pick(LATE)
    phrase = actions.transitive(draw, subject, acts=True, definite=True)
    contracted = negated and draw.chance(0.5)
    return sentence(clause(subject, phrase, Form.PERFECT, late=late, negated=negated, contracted=contracted))


@construction("future", 4, "Tomorrow we will visit him.", "Morgen werden wir ihn besuchen.")
def future(draw: Draw) -> Pair:
    """The finite form of "werden" stands second, the infinitive at the end."""
    subject, phrase = actions.scene(draw, Form.FUTURE)
    time = a_time(draw, "future") if draw.chance(0.5) else None
    return sentence(clause(subject, phrase, Form.FUTURE, time=time, fronted=draw.chance(0.5)))


@construction("modal verbs", 9, "You must read this book today.", "Du musst heute dieses Buch lesen.")
def modal(draw: Draw) -> Pair:
    """A modal is finite and second; the infinitive waits at the end, behind all objects. In English both stand
    together."""
    subject, phrase = actions.scene(draw, Form.CAN)
    if draw.chance(0.2):
        return sentence(clause(subject, phrase, draw.pick(PAST_MODALS)))
    time = a_time(draw, "modal") if draw.chance(0.3) else None
    return sentence(clause(subject, phrase, draw.pick(MODAL_FORMS), time=time, fronted=draw.chance(0.4)))


@construction("separable verbs", 5, "My mother opens the window.", "Meine Mutter macht das Fenster auf.")
def separable(draw: Draw) -> Pair:
    """The prefix of a separable verb closes the main clause (macht ... auf), but joins its verb in the infinitive
    (aufmachen), the participle (aufgemacht) and at the end of a subordinate clause (aufmacht)."""
    time = a_time(draw, "present") if draw.chance(0.4) else None
    if draw.chance(0.08):
        vehicle = sampling.a_noun_phrase(draw, draw.word(lexicon.select("bus train ship airplane")), subject=True)
        arrive = next(verb for verb in actions.usable("PLAIN") if verb.base == "arrive")
        return sentence(clause(vehicle, VerbPhrase(arrive), time=time, fronted=draw.chance(0.3)))
    subject = a_person(draw)
    kind = draw.pick((actions.separable, actions.separable, actions.plain))
    return sentence(clause(subject, kind(draw, subject), time=time, fronted=draw.chance(0.3)))


@construction("dative object", 3, "The girl helps her grandmother.", "Das Mädchen hilft ihrer Großmutter.")
def dative(draw: Draw) -> Pair:
    """Some verbs take their only object in the dative, where English shows no difference."""
    subject = a_person(draw)
    phrase = actions.dative(draw, subject)
    frequency = sampling.a_frequency(draw, subject) if not phrase.verb.stative and draw.chance(0.3) else None
    return sentence(clause(subject, phrase, frequency=frequency))


@construction("two objects", 4, "The teacher gives the boy a book.", "Der Lehrer gibt dem Jungen ein Buch.")
def two_objects(draw: Draw) -> Pair:
    """The receiver is in the dative, the thing in the accusative: two cases to tell by position in English, by the
    articles in German."""
    subject = a_person(draw)
    phrase = actions.ditransitive(draw, subject)
    forms = (Form.PRESENT, Form.PAST, Form.FUTURE, Form.CAN)
    return sentence(clause(subject, phrase, actions.a_form(draw, phrase.verb, subject.person, forms)))


@construction(
    "place and direction",
    6,
    "He puts the key on the table.",
    "Er legt den Schlüssel auf den Tisch.",
)
def two_way(draw: Draw) -> Pair:
    """After in, an, auf, unter, neben, hinter and vor the dative says where, the accusative where to: auf dem Tisch,
    auf den Tisch. Preposition and article melt together: im, am, ins, zum, zur."""
    subject = a_person(draw)
    if draw.chance(0.06):
        town = draw.pick(sampling.cities())
        come = next(verb for verb in actions.usable("MOTION") if verb.base == "come")
        return sentence(
            clause(
                subject, VerbPhrase(come, prepositional_phrase("from", town.english), complement=f"aus {town.german}")
            )
        )
    kind = draw.pick((actions.position, actions.position, actions.placing, actions.motion, actions.intransitive))
    return sentence(clause(subject, kind(draw, subject)))


@construction("thing in a place", 3, "The keys are on the table.", "Die Schlüssel sind auf dem Tisch.")
def thing_in_place(draw: Draw) -> Pair:
    """Where something is, with the dative after a two-way preposition."""
    if draw.chance(0.5):
        noun, place = draw.word(lexicon.select("portable reading cat")), sampling.a_spot(draw, GrammaticalCase.DATIVE)
    else:
        noun, place = draw.word(lexicon.select("living vehicle")), sampling.location(sampling.place_phrase(draw))
    subject = sampling.a_noun_phrase(draw, noun, definite=True)
    phrase = VerbPhrase(lexicon.be(), place[0], complement=place[1])
    form = draw.pick((Form.PRESENT, Form.PRESENT, Form.PAST))
    negated = draw.chance(0.2)
    return sentence(clause(subject, phrase, form, negated=negated, contracted=draw.chance(0.3)))


@construction("there is", 3, "There is a cat under the table.", "Unter dem Tisch ist eine Katze.")
def there_is(draw: Draw) -> Pair:
    """German has no empty "there" here: the place comes first, the verb second, and the subject, in the nominative,
    last."""
    if draw.chance(0.5):
        noun, place = draw.word(lexicon.select("portable reading cat")), sampling.a_spot(draw, GrammaticalCase.DATIVE)
    else:
        noun, place = draw.word(lexicon.select("living vehicle")), sampling.location(sampling.place_phrase(draw))
    plural = noun.plural_only or draw.chance(0.4)
    choice = (lexicon.MANY, lexicon.SOME, lexicon.NO, lexicon.numeral(2 + int(draw.random() * 11)))
    determiner = draw.pick(choice) if plural else draw.pick((lexicon.AN, lexicon.AN, lexicon.NO))
    subject = noun_phrase(determiner, noun, plural, sampling.described(draw, noun, 0.25))
    return sentence(exists(subject, place))


def exists(subject: NounPhrase, place: tuple[str, str]) -> tuple[str, str]:
    """there is a cat under the table, unter dem Tisch ist eine Katze."""
    be, sein = ("are", "sind") if subject.plural else ("is", "ist")

    def brackets() -> str:
        what = f"({'VBP' if subject.plural else 'VBZ'} {be}) {beside(subject.english, place[0]).brackets}"
        return f"(S (NP (EX there)) (VP {what}))"

    source = marked(join("there", be, subject.english, place[0]), brackets)
    return source, join(place[1], sein, subject.german(GrammaticalCase.NOMINATIVE))


@construction("governed prepositions", 5, "We are waiting for the bus.", "Wir warten gerade auf den Bus.")
def governed(draw: Draw) -> Pair:
    """Many verbs choose a preposition and a case that cannot be guessed from English: wait for, warten auf; think
    of, denken an. Reflexive verbs add a pronoun that agrees with the subject: ich erinnere mich, er erinnert sich."""
    subject = a_person(draw)
    phrase = actions.prepositional(draw, subject)
    forms = (Form.PRESENT, Form.PROGRESSIVE, Form.PAST, Form.MUST)
    return sentence(clause(subject, phrase, actions.a_form(draw, phrase.verb, subject.person, forms)))


@construction("negation with nicht", 6, "The woman does not buy the car.", "Die Frau kauft das Auto nicht.")
def nicht(draw: Draw) -> Pair:
    """The word "nicht" stands behind definite objects, but before places, prepositional objects, manners and the
    right half of the bracket. English needs "do" and has its "not" always behind the auxiliary."""
    if draw.chance(0.4):
        subject, phrase = actions.scene(draw, Form.PRESENT, definite=True)
    else:
        subject = a_person(draw, definite=True)  # "every man does not" would be ambiguous
        kind = draw.pick((actions.dative, actions.prepositional, actions.position))
        phrase = kind(draw, subject, definite=True)
    if phrase.verb.stative:
        form = Form.PRESENT
    else:
        form = draw.pick((Form.PRESENT, Form.PRESENT, Form.PAST, Form.CAN, Form.WANT, Form.FUTURE))
    return sentence(clause(subject, phrase, form, negated=True, contracted=draw.chance(0.5)))


@construction("negation with kein", 6, "I do not have a dog.", "Ich habe keinen Hund.")
def kein(draw: Draw) -> Pair:
    """An object without an article or with "a" is negated with "kein", which is declined like "ein"; definite
    objects keep "nicht"."""
    subject = a_person(draw, definite=True)  # "every man does not" would be ambiguous
    phrase = actions.transitive(draw, subject, negated=True)
    form = Form.PRESENT if phrase.verb.stative else draw.pick((Form.PRESENT, Form.PAST, Form.CAN, Form.WANT))
    return sentence(clause(subject, phrase, form, negated=True, contracted=draw.chance(0.5)))


@construction("imperative", 4, "Please open the door.", "Mach bitte die Tür auf.")
def imperative(draw: Draw) -> Pair:
    """One friend is told to do something: the verb comes first, without a subject, and verbs like lesen change their
    vowel (lies!). "please" moves behind the verb."""
    phrase = actions.action(draw, PRONOUNS[1], definite=True)
    while phrase.verb.base in NOT_COMMANDED:
        phrase = actions.action(draw, PRONOUNS[1], definite=True)
    negated, polite = draw.chance(0.25), draw.chance(0.5)
    return command(phrase, negated=negated, polite=polite and not negated)


NOT_COMMANDED = ("lose", "see", "hear", "fall", "arrive", "forget", "dream")


def command(phrase: VerbPhrase, *, negated: bool = False, polite: bool = False) -> Pair:
    """The imperative of a verb phrase."""
    verb = phrase.verb
    opening = "please" if polite else "don't" if negated else ""

    def brackets() -> str:
        objects = PARTICLES[verb.particle].format(brackets_of(phrase.english))
        chain = [("VB", "do"), ("VB", verb.base)] if negated else [("VB", verb.base)]
        inner = verb_phrase(chain, objects, behind_first="(RB n't)" if negated else "")
        return f"(S {'(INTJ (UH please))' if polite else ''} {inner})"

    source = marked(join(opening, verb.base + verb.particle, phrase.english), brackets)
    target = join(
        verb.imperative,
        REFLEXIVE[Person.YOU] if verb.reflexive else "",
        phrase.pronouns,
        "bitte" if polite else "",
        phrase.field,
        "nicht" if negated else "",
        phrase.complement,
        verb.prefix,
    )
    return sentence((source, target), "." if polite else "!")


@construction("like to", 3, "My sister likes to dance.", "Meine Schwester tanzt gern.")
def gern(draw: Draw) -> Pair:
    """What English says with a verb, "like to", German says with the adverb "gern": the infinitive becomes the
    finite verb."""
    subject = a_person(draw, definite=True)
    if draw.chance(0.6):
        verb = draw.pick(tuple(v for v in actions.usable("TRANSITIVE") if v.base in LIKED))
        noun = draw.word(verb.objects)
        phrase = actions.with_object(verb, noun_phrase(lexicon.BARE, noun, noun.countable))
    else:
        phrase = actions.perhaps_placed(draw, draw.pick(actions.usable("INTRANSITIVE")))
    if draw.chance(0.25):
        return sentence(like_to(subject, phrase, question=True), "?")
    return sentence(like_to(subject, phrase, negated=draw.chance(0.2), contracted=draw.chance(0.5)))


LIKED = ("eat", "drink", "read", "write", "cook", "bake", "sing", "buy", "learn", "wear")


def like_to(
    subject: Nominal, phrase: VerbPhrase, *, question: bool = False, negated: bool = False, contracted: bool = False
) -> tuple[str, str]:
    """The clause of `gern`."""
    third = subject.person is Person.HE
    infinitive = f"to {phrase.verb.base}{phrase.verb.particle}"

    def brackets() -> str:
        objects = PARTICLES[phrase.verb.particle].format(brackets_of(phrase.english))
        chain = [("TO", "to"), ("VB", phrase.verb.base)]
        if question or negated:
            chain = [("VBZ", "does") if third else ("VBP", "do"), ("VB", "like"), *chain]
        else:
            chain = [("VBZ", "likes") if third else ("VBP", "like"), *chain]
        return clause_brackets(
            brackets_of(subject.english),
            chain,
            objects + HOLE,
            auxiliary=question or negated,
            between="" if not negated else "(RB n't)" if contracted else "(RB not)",
            adverb="",
            question="" if question else None,
        )

    if question:
        head = f"{'does' if third else 'do'} {subject.english} like"
    elif negated:
        auxiliary = ("does" if third else "do") + ("n't" if contracted else " not")
        head = f"{subject.english} {auxiliary} like"
    else:
        head = f"{subject.english} {'likes' if third else 'like'}"
    adverb = Adverbial("", "nicht gern" if negated else "gern")
    order = Order.QUESTION if question else Order.MAIN
    _, target = clause(subject, phrase, order=order, frequency=adverb)
    return marked(join(head, infinitive, phrase.english), brackets), target
