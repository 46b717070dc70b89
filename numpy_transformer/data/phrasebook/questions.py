"""Questions: yes or no, who, what, where, when, why, which, whose and how."""

from functools import cache

from numpy_transformer.data.phrasebook import actions, lexicon, nouns, sampling
from numpy_transformer.data.phrasebook.clauses import Form, Order, VerbPhrase, clause
from numpy_transformer.data.phrasebook.constituents import english as marked
from numpy_transformer.data.phrasebook.constituents import noun_brackets
from numpy_transformer.data.phrasebook.construction import Pair, construction, sentence
from numpy_transformer.data.phrasebook.german import GrammaticalCase, Person
from numpy_transformer.data.phrasebook.lexicon import Adverbial, Noun, Verb
from numpy_transformer.data.phrasebook.phrases import Relative, noun_phrase
from numpy_transformer.data.phrasebook.sampling import Draw, a_person

QUESTION_FORMS = (Form.PRESENT,) * 3 + (Form.PAST, Form.PAST, Form.CAN, Form.MUST, Form.WANT, Form.FUTURE)
WHEN, WHY, HOW_OFTEN = Adverbial("when", "wann"), Adverbial("why", "warum"), Adverbial("how often", "wie oft")
WHAT, WHERE_TO = Adverbial("what", "was"), Adverbial("where", "wohin")
WHO_ACCUSATIVE, WHO_DATIVE = Adverbial("who", "wen"), Adverbial("who", "wem")
WHO = Relative("who", "wer", Person.HE)


@construction("yes-or-no questions", 7, "Does the dog drink water?", "Trinkt der Hund Wasser?")
def yes_no(draw: Draw) -> Pair:
    """The finite verb comes first and the rest keeps its place. English needs "do"; German simply moves the verb."""
    if draw.chance(0.3):
        subject = a_person(draw)
        phrase, form = actions.transitive(draw, subject), Form.PRESENT
    else:
        forms = (*QUESTION_FORMS, Form.PROGRESSIVE, Form.MAY, Form.SHOULD, Form.HAVE_TO, Form.WOULD_LIKE)
        form = draw.pick(forms)
        subject, phrase = actions.scene(draw, form)
        if form is Form.MAY and subject.person is Person.YOU:  # "may you see" is a wish, no question
            form = Form.CAN
    return sentence(clause(subject, phrase, form, order=Order.QUESTION), "?")


@construction("who and what", 6, "Who does the woman help?", "Wem hilft die Frau?")
def who_what(draw: Draw) -> Pair:
    """The one word "who" hides three cases: wer as the subject, wen as the accusative and wem as the dative object.
    The verb decides."""
    chance = draw.random()
    if chance < 0.35:
        form = draw.pick((*QUESTION_FORMS, Form.PROGRESSIVE))
        return sentence(clause(WHO, actions.act(draw, WHO, form), form), "?")
    subject = a_person(draw)
    if chance < 0.65:
        choice, word = _verbs_of_what(), WHAT
    elif chance < 0.85:
        choice, word = _verbs_of_whom(), WHO_ACCUSATIVE
    else:
        choice, word = lexicon.verb_table("DATIVE"), WHO_DATIVE
    verb = draw.pick(choice)
    form = actions.a_form(draw, verb, subject.person, (*QUESTION_FORMS, Form.PROGRESSIVE))
    return sentence(clause(subject, VerbPhrase(verb), form, order=Order.QUESTION, word=word), "?")


@cache
def _verbs_of_what() -> tuple[Verb, ...]:
    things = (v for v in lexicon.verb_table("TRANSITIVE") if any(not _is_person(noun) for noun in v.objects))
    return tuple(v for v in things if v.base not in ("know", "speak"))  # "what do you know": wissen, not kennen


@cache
def _verbs_of_whom() -> tuple[Verb, ...]:
    return tuple(v for v in lexicon.verb_table("TRANSITIVE") if any(map(_is_person, v.objects)))


def _is_person(noun: Noun) -> bool:
    return noun.section in nouns.GROUPS["people"]


@construction("where, when and why", 7, "Where did you buy the shoes?", "Wo hast du die Schuhe gekauft?")
def where_when_why(draw: Draw) -> Pair:
    """The question word is first, the finite verb second, the rest of the verb last. "where" is "wo" for a place,
    "wohin" for a direction and "woher" for an origin."""
    subject = a_person(draw)
    form = draw.pick(QUESTION_FORMS)
    chance = draw.random()
    if chance < 0.2:
        verb = draw.pick((*actions.usable("INTRANSITIVE"), *actions.usable("POSITION", False)))
        phrase, word = VerbPhrase(verb), sampling.WHERE
        form = Form.PRESENT if verb.stative else form
    elif chance < 0.35:
        phrase, word = actions.transitive(draw, subject, acts=True), sampling.WHERE
    elif chance < 0.5:
        verbs = tuple(v for table in ("MOTION", "JOURNEY") for v in actions.usable(table))
        verb = draw.pick(tuple(v for v in verbs if v.base in ("go", "drive", "travel", "fly")))
        phrase, word = VerbPhrase(verb), WHERE_TO
        form = draw.pick((*QUESTION_FORMS, Form.PROGRESSIVE))
    else:
        word = draw.pick((WHEN, WHY, WHY, HOW_OFTEN))
        subject, phrase = actions.scene(draw, form)
    return sentence(clause(subject, phrase, form, order=Order.QUESTION, word=word), "?")


@construction("which, whose and how", 5, "Which book are you reading?", "Welches Buch liest du gerade?")
def which_whose_how(draw: Draw) -> Pair:
    """The question word takes its noun along: "which" agrees with it, "whose" and "how many" do not."""
    chance = draw.random()
    if chance < 0.2:
        return sentence(_whose(draw), "?")
    if chance < 0.4:
        return sentence(_how(draw), "?")
    subject = a_person(draw)
    verb = draw.pick(_verbs_of_things())
    noun = draw.pick(_countable_things(verb))
    form = actions.a_form(draw, verb, subject.person, (*QUESTION_FORMS, Form.PROGRESSIVE))
    if draw.chance(0.4):

        def brackets() -> str:
            nouns_of_it = noun_brackets(noun.english[1], plural=True, name=False)
            return f"(WHNP (WHADJP (WRB how) (JJ many)) {nouns_of_it})"

        how_many = marked(f"how many {noun.english[1]}", brackets)
        word = Adverbial(how_many, f"wie viele {noun.german[GrammaticalCase.ACCUSATIVE][1]}")
    else:
        phrase = noun_phrase(lexicon.WHICH, noun, draw.chance(0.2), sampling.described(draw, noun, 0.1))
        word = Adverbial(phrase.english, phrase.german(GrammaticalCase.ACCUSATIVE))
    return sentence(clause(subject, VerbPhrase(verb), form, order=Order.QUESTION, word=word), "?")


def _whose(draw: Draw) -> tuple[str, str]:
    noun = draw.word(lexicon.select("kinsman kinswoman animal clothes object vehicle reading"))
    several = draw.chance(0.2)

    def brackets() -> str:
        owned = noun_brackets(noun.english[several], plural=several, name=False)
        verb, this = ("VBP are", "these") if several else ("VBZ is", "this")
        return f"(SBARQ (WHNP (WP$ whose) {owned}) (SQ ({verb}) (NP (DT {this}))))"

    source = marked(f"whose {noun.english[several]} {'are these' if several else 'is this'}", brackets)
    return source, f"wessen {noun.german[GrammaticalCase.NOMINATIVE][several]} {'sind' if several else 'ist'} das"


def _how(draw: Draw) -> tuple[str, str]:
    if draw.chance(0.4):
        subject, measures = a_person(draw, pronoun=0.5), ("old", "tall")
        adjective = lexicon.adjectives()[draw.pick(measures)]
    else:
        noun = draw.word(lexicon.select("animal vehicle object place clothes"))
        subject = sampling.a_noun_phrase(draw, noun, definite=True, adjective=0)
        adjective = draw.pick(tuple(a for a in lexicon.adjectives_of(noun) if a.english in MEASURES))
    how = marked(f"how {adjective.english}", lambda: f"(WHADJP (WRB how) (JJ {adjective.english}))")
    word = Adverbial(how, f"wie {adjective.german}")
    return clause(subject, VerbPhrase(lexicon.be()), order=Order.QUESTION, word=word)


MEASURES = ("old", "big", "expensive", "long", "heavy", "fast", "deep", "high")


@cache
def _countable_things(verb: Verb) -> tuple[Noun, ...]:
    return tuple(noun for noun in verb.objects if noun.countable and not _is_person(noun))


@cache
def _verbs_of_things() -> tuple[Verb, ...]:
    return tuple(verb for verb in lexicon.verb_table("TRANSITIVE") if _countable_things(verb))
