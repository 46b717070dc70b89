"""Clauses in both languages at once: the skeleton in which the two word orders differ.

A German clause is a bracket (Satzklammer): the finite verb on the left, the rest of the verb on the right, and the
middle field between them. In a main clause the finite verb is second, in a question first, in a subordinate clause
it moves to the very end, behind the right bracket.

    main       Der Mann  | hat  | heute das Buch nicht | gelesen
    fronted    Heute     | hat  | der Mann das Buch nicht | gelesen
    question             | hat  | der Mann das Buch nicht | gelesen
    last       weil             | der Mann das Buch nicht | gelesen hat

The order of the middle field is fixed: subject (if not in front), pronouns, time, frequency, noun objects, negation,
manner or prepositional objects or place. English keeps subject, verb, object and puts the time first or last.
"""

from enum import Enum
from functools import partial
from typing import NamedTuple

from numpy_transformer.data.phrasebook import english
from numpy_transformer.data.phrasebook.constituents import (
    HOLE,
    PARTICLES,
    Chain,
    English,
    brackets_of,
    clause_brackets,
    relative_brackets,
    subordinate,
)
from numpy_transformer.data.phrasebook.constituents import english as marked
from numpy_transformer.data.phrasebook.constituents import (
    fronted as fronted_brackets,
)
from numpy_transformer.data.phrasebook.german import REFLEXIVE, GrammaticalCase, Person
from numpy_transformer.data.phrasebook.lexicon import Adverbial, Verb
from numpy_transformer.data.phrasebook.phrases import Nominal, Pronoun, Relative
from numpy_transformer.data.phrasebook.verbs import IRREGULAR_PRESENT, MODALS, PRETERITE


class Form(Enum):
    """Tense, aspect or modal of a clause, chosen by the English side.

    Both the simple past and the present perfect become the German perfect, the spoken past tense; only "was" and
    "had" become "war" and "hatte". The progressive becomes the present, marked with "gerade" by the caller.
    """

    PRESENT = "present"
    PROGRESSIVE = "progressive"
    PAST = "past"
    PERFECT = "perfect"
    FUTURE = "will"
    CAN = "can"
    MUST = "must"
    MAY = "may"
    SHOULD = "should"
    WANT = "want"
    HAVE_TO = "have to"
    WANTED = "wanted"
    HAD_TO = "had to"
    WOULD_LIKE = "would like"


class Order(Enum):
    """Where the German finite verb stands; see the module's docstring."""

    MAIN = "main"
    QUESTION = "question"
    LAST = "last"


class VerbPhrase(NamedTuple):
    """A verb with its objects in both languages."""

    verb: Verb
    english: str = ""  # everything behind the verb and its particle
    pronouns: str = ""  # German pronoun objects, before the time
    field: str = ""  # German noun objects, behind the time and before "nicht"
    complement: str = ""  # German place, manner, predicate: behind "nicht"
    kein: bool = False  # the object itself is negated with "kein", so no "nicht" is needed
    definite: bool = False  # "nie" stands behind a definite object, as "nicht" does, but before any other


class Bracket(NamedTuple):
    """The two halves of a German verb, and both together as they end a subordinate clause."""

    left: str
    right: str
    last: str


# Modals that are ordinary verbs in English, with "do" and "to": base, third person, past of the past forms.
LEXICAL_MODALS = {
    Form.WANT: ("want", "wants", ""),
    Form.WANTED: ("want", "wants", "wanted"),
    Form.HAVE_TO: ("have", "has", ""),
    Form.HAD_TO: ("have", "has", "had"),
}
GERADE = Adverbial("", "gerade")


def bracket(verb: Verb, form: Form, person: Person) -> Bracket:
    """The German verb: (hat, gelesen, gelesen hat), (macht, auf, aufmacht), (will, lesen, lesen will)."""
    if form is Form.PAST and verb.infinitive in PRETERITE:
        left = PRETERITE[verb.infinitive][person]
        return Bracket(left, "", left)
    if form in (Form.PRESENT, Form.PROGRESSIVE):
        left = verb.present[person]
        return Bracket(left, verb.prefix, verb.prefix + left)
    if form in (Form.PAST, Form.PERFECT):
        left, right = IRREGULAR_PRESENT[verb.auxiliary][person], verb.german_participle
    elif form is Form.FUTURE:
        left, right = IRREGULAR_PRESENT["werden"][person], verb.infinitive
    else:
        left, right = MODALS[form.value][person], verb.infinitive
    return Bracket(left, right, f"{right} {left}")


def english_verb(verb: Verb, form: Form, person: Person, supported: bool) -> tuple[str, str]:
    """The English (auxiliary, rest): ("", "reads"), ("is", "reading"), ("will", "read").

    `supported` asks for an auxiliary even in the simple tenses, as questions and negations need it: ("does", "read").
    """
    third = person is Person.HE
    if verb.base == "be" and form in (Form.PRESENT, Form.PAST):
        return english.BE[form.value][person], ""
    if form is Form.PRESENT:
        if supported:
            return ("does" if third else "do"), verb.base + verb.particle
        return "", (verb.third if third else verb.base) + verb.particle
    if form is Form.PAST:
        return ("did", verb.base + verb.particle) if supported else ("", verb.past + verb.particle)
    if form is Form.PROGRESSIVE:
        return english.BE["present"][person], verb.progressive + verb.particle
    if form is Form.PERFECT:
        return ("has" if third else "have"), verb.participle + verb.particle
    infinitive = verb.base + verb.particle
    if form in LEXICAL_MODALS:
        base, singular, past = LEXICAL_MODALS[form]
        if supported:
            auxiliary = "did" if past else "does" if third else "do"
            return auxiliary, f"{base} to {infinitive}"
        return "", f"{past or (singular if third else base)} to {infinitive}"
    if form is Form.WOULD_LIKE:
        return "would", f"like to {infinitive}"
    return form.value, infinitive


_PAST_FORMS = (Form.PAST, Form.WANTED, Form.HAD_TO)
_PRESENT_FORMS = (Form.PRESENT, Form.PROGRESSIVE, Form.PERFECT, Form.WANT, Form.HAVE_TO)


def english_chain(auxiliary: str, rest: str, verb: Verb, form: Form, person: Person) -> Chain:
    """The verbs that `english_verb` gave, one by one with their tags, without the particle.

    >>> from numpy_transformer.data.phrasebook.lexicon import verb_table
    >>> eat = verb_table("TRANSITIVE")[0]
    >>> english_chain(*english_verb(eat, Form.WANT, Person.HE, False), eat, Form.WANT, Person.HE)
    [('VBZ', 'wants'), ('TO', 'to'), ('VB', 'eat')]
    """
    words = rest.removesuffix(verb.particle).split()
    if auxiliary:
        words.insert(0, auxiliary)
    if form in _PAST_FORMS:
        finite = "VBD"
    elif form in _PRESENT_FORMS:
        finite = "VBZ" if person is Person.HE else "VBP"
    else:
        finite = "MD"
    chain = [(finite, words[0]), *(("TO" if word == "to" else "VB", word) for word in words[1:])]
    if form is Form.PROGRESSIVE:
        chain[-1] = "VBG", words[-1]
    elif form is Form.PERFECT:
        chain[-1] = "VBN", words[-1]
    return chain


def english_clause(
    subject: Nominal,
    phrase: VerbPhrase,
    form: Form,
    *,
    question: str | None = None,
    time: Adverbial | None = None,
    frequency: Adverbial | None = None,
    negated: bool = False,
    contracted: bool = False,
    late: Adverbial | None = None,
) -> English:
    """The English side of `clause`; `question` is the question word, empty for yes or no, None for a statement."""
    auxiliary, rest = english_verb(phrase.verb, form, subject.person, negated or question is not None)
    head, finite, negation = subject.english, auxiliary, "(RB not)" if negated else ""
    if auxiliary:
        head = f"{subject.english} {auxiliary}"
    if negated and contracted and auxiliary in english.NEGATED_AUXILIARY:
        short = english.NEGATED_AUXILIARY[auxiliary]
        head = f"{subject.english} {short}"
        finite, negation = short.removesuffix("n't"), "(RB n't)"
    elif negated:
        head = f"{subject.english} cannot" if auxiliary == "can" else f"{head} not"
    elif contracted and isinstance(subject, Pronoun) and auxiliary in english.BE["present"]:
        head = english.CONTRACTED_BE[subject.english]
        finite = head.removeprefix(subject.english)
    if question is not None:
        head = f"{question} {auxiliary} {subject.english}" if question else f"{auxiliary} {subject.english}"
    adverb, ending = (frequency.english if frequency else ""), (late.english if late else "")
    if ending in ("already", "never"):  # these stand before the participle, "yet" at the end
        adverb, ending = ending, ""
    final = time.english if time else ""

    def brackets() -> str:
        (tag, first), *others = english_chain(auxiliary, rest, phrase.verb, form, subject.person)
        objects = PARTICLES[phrase.verb.particle].format(brackets_of(phrase.english))
        return clause_brackets(
            brackets_of(subject.english),
            [(tag, finite or first), *others],
            join(objects, brackets_of(ending), brackets_of(final)) + HOLE,
            auxiliary=bool(auxiliary),
            between=negation,
            adverb=brackets_of(adverb),
            question=None if question is None else brackets_of(question),
        )

    return marked(join(head, adverb, rest, phrase.english, ending, final), brackets)


def german_clause(
    subject: Nominal,
    phrase: VerbPhrase,
    form: Form,
    *,
    order: Order = Order.MAIN,
    front: str = "",
    time: Adverbial | None = None,
    frequency: Adverbial | None = None,
    late: str = "",
) -> str:
    """The German side of `clause`."""
    left, right, last = bracket(phrase.verb, form, subject.person)
    nominative = subject.german(GrammaticalCase.NOMINATIVE)
    reflexive = REFLEXIVE[subject.person] if phrase.verb.reflexive else ""
    inverted = order is Order.QUESTION or (front and order is Order.MAIN)
    if inverted and not isinstance(subject, Pronoun):  # the short word first: beeilt sich der Mann?
        nominative, reflexive = join(reflexive, nominative), ""
    middle = (
        reflexive,
        phrase.pronouns,
        time.german if time else "",
        frequency.german if frequency else "",
        phrase.field,
        late,
        phrase.complement,
    )
    if order is Order.LAST:
        return join(front, nominative, *middle, last)
    if inverted:
        return join(front, left, nominative, *middle, right)
    return join(nominative, left, *middle, right)


def clause(
    subject: Nominal,
    phrase: VerbPhrase,
    form: Form = Form.PRESENT,
    *,
    order: Order = Order.MAIN,
    word: Adverbial | None = None,
    time: Adverbial | None = None,
    fronted: bool = False,
    frequency: Adverbial | None = None,
    negated: bool = False,
    contracted: bool = False,
    late: Adverbial | None = None,
) -> tuple[str, str]:
    """A clause as (English, German), without capital and final mark.

    `word` opens it: a question word (order QUESTION) or a conjunction (order LAST). `fronted` puts the time first,
    so that the German subject moves behind the verb. `late` is "already", "not yet" and the like.
    """
    question = (word.english if word else "") if order is Order.QUESTION else None
    final = None if fronted else time
    source = english_clause(
        subject,
        phrase,
        form,
        question=question,
        time=final,
        frequency=frequency,
        negated=negated,
        contracted=contracted,
        late=late,
    )
    if fronted and time:
        source = marked(f"{time.english} {source}", partial(fronted_brackets, time.english, source))
    if word and order is Order.LAST:
        source = marked(f"{word.english} {source}", partial(subordinate, word.english, source))
    elif isinstance(subject, Relative) and order is Order.LAST:
        source = marked(source, partial(relative_brackets, source))
    final_word = "nicht" if negated and not phrase.kein else ""
    if frequency and frequency.german == "nie" and phrase.definite:
        final_word, frequency = frequency.german, None
    target = german_clause(
        subject,
        phrase,
        form,
        order=order,
        front=time.german if fronted and time else word.german if word else "",
        time=GERADE if form is Form.PROGRESSIVE and not time else final,
        frequency=frequency,
        late=late.german if late else final_word,
    )
    return source, target


def join(*parts: str) -> str:
    """The non-empty parts with single spaces between."""
    return " ".join(filter(None, parts))
