"""Seeded generation of distinct sentence pairs, and the split into training, validation and test sets."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice

from numpy_transformer.data.phrasebook import complex_constructions as complexes
from numpy_transformer.data.phrasebook import lexicon, nouns, questions, sampling
from numpy_transformer.data.phrasebook import noun_constructions as phrases
from numpy_transformer.data.phrasebook import verb_constructions as verbal
from numpy_transformer.data.phrasebook.constituents import English
from numpy_transformer.data.phrasebook.construction import Construction, Pair
from numpy_transformer.data.phrasebook.sampling import Draw
from numpy_transformer.data.trees import SyntaxTree
from numpy_transformer.errors import InputError

CONSTRUCTIONS: tuple[Construction, ...] = (
    phrases.fixed,
    verbal.accusative,
    verbal.verb_second,
    verbal.progressive,
    verbal.perfect,
    verbal.present_perfect,
    verbal.future,
    verbal.modal,
    verbal.separable,
    verbal.dative,
    verbal.two_objects,
    verbal.two_way,
    verbal.thing_in_place,
    verbal.there_is,
    verbal.governed,
    verbal.nicht,
    verbal.kein,
    verbal.imperative,
    verbal.gern,
    phrases.predicate,
    phrases.comparison,
    phrases.introducing,
    phrases.possession,
    phrases.compounds,
    phrases.numbers,
    phrases.professions,
    phrases.clock_times,
    phrases.ordering,
    questions.yes_no,
    questions.who_what,
    questions.where_when_why,
    questions.which_whose_how,
    complexes.because,
    complexes.that_whether,
    complexes.if_first,
    complexes.relative,
    complexes.two_clauses,
    complexes.infinitive,
    complexes.purpose,
)

_PATIENCE = 500  # consecutive repetitions after which a construction counts as exhausted
_FIXED_SHARE = 0.04  # of a training set: fixed expressions
_SMALL_TALK_SHARE = 0.04  # of a training set: several of them in a row


def generate(count: int, seed: int = 0, constructions: Sequence[Construction] = CONSTRUCTIONS) -> list[Pair]:
    """`count` distinct pairs, determined by the arguments alone; a smaller count gives a prefix of a larger one.

    Raises InputError if `count` is negative or the constructions cannot make that many.
    """
    if count < 0:
        raise InputError(f"phrasebook: the number of sentences is {count}; give 0 or more")
    pairs = [_plain(pair) for pair in islice(_stream(seed, constructions), count)]
    if len(pairs) < count:
        raise InputError(f"phrasebook: only {len(pairs)} of {count} distinct sentences found; ask for fewer")
    return pairs


def split(train: int, valid: int = 500, test: int = 1000, seed: int = 0) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Training, validation and test pairs that share no English and no German sentence.

    Validation and test pairs are drawn first, so they do not depend on the size of the training set. Fixed
    expressions occur only in training. They cannot be put together from parts, so the model must see them often: they
    fill one line in twenty-five, all equally often, and two or three of them in a row fill as many again.
    Those lines are as long as other sentences, so they share batches with them, and hardly a batch is without one.
    The other training pairs are distinct.

    Raises InputError if a number is negative or the grammar cannot make that many pairs.
    """
    if min(train, valid, test) < 0:
        raise InputError(f"phrasebook: cannot split into {train}, {valid} and {test} sentences; give 0 or more")
    fixed = [_plain(pair) for pair in phrases.fixed_expressions()]
    used = {pair.target for pair in fixed}
    free = tuple(entry for entry in CONSTRUCTIONS if entry is not phrases.fixed)
    stream = map(_plain, _stream(seed, free))

    held_out: list[Pair] = []
    while len(held_out) < valid + test and (pair := next(stream, None)):
        if pair.target not in used:
            used.add(pair.target)
            held_out.append(pair)
    repeated = min(train, max(len(fixed), int(train * _FIXED_SHARE)))
    training = [fixed[i % len(fixed)] for i in range(repeated)]
    draw = Draw(seed)
    training += _small_talk(fixed, min(train - repeated, int(train * _SMALL_TALK_SHARE)), draw)
    training += islice((pair for pair in stream if pair.target not in used), train - len(training))
    if len(held_out) < valid + test or len(training) < train:
        raise InputError(f"phrasebook: cannot make {train + valid + test} distinct sentences; ask for fewer")
    draw.shuffle(training)
    return training, held_out[test:], held_out[:test]


def split_trees(
    train: int, valid: int = 500, test: int = 1000, seed: int = 0
) -> tuple[list[SyntaxTree], list[SyntaxTree], list[SyntaxTree]]:
    """The trees of training, validation and test sentences, all distinct; the fixed expressions are in training only.

    Raises InputError if a number is negative or the grammar cannot make that many.
    """
    if min(train, valid, test) < 0:
        raise InputError(f"phrasebook: cannot split into {train}, {valid} and {test} trees; give 0 or more")
    fixed = phrases.fixed_expressions()
    known = {pair.source for pair in fixed}
    free = tuple(entry for entry in CONSTRUCTIONS if entry is not phrases.fixed)
    stream = (_tree(pair) for pair in _stream(seed, free) if pair.source not in known)
    held_out = list(islice(stream, valid + test))
    repeated = min(train, max(len(fixed), int(train * _FIXED_SHARE)))
    training = [_tree(fixed[i % len(fixed)]) for i in range(repeated)]
    training += islice(stream, train - repeated)
    if len(held_out) < valid + test or len(training) < train:
        raise InputError(f"phrasebook: cannot make {train + valid + test} distinct sentences; ask for fewer")
    Draw(seed).shuffle(training)
    return training, held_out[test:], held_out[:test]


def _tree(pair: Pair) -> SyntaxTree:
    assert isinstance(pair.source, English), "every English text of a construction carries its brackets"
    return pair.source.tree


def _plain(pair: Pair) -> Pair:
    """The pair without its tree."""
    return Pair(str(pair.source), pair.target)


def _small_talk(fixed: Sequence[Pair], count: int, draw: Draw) -> list[Pair]:
    """`count` distinct pairs of two or three fixed expressions in a row: Thank you! See you tomorrow!"""
    sentences = [pair for pair in fixed if not pair.source[-1].isalnum()]
    # Without its last mark, too, a row has one translation: it never ends with "Hello." but with "Hello!".
    ends = list({pair.source[:-1]: pair for pair in reversed(sentences)}.values())
    found: dict[Pair, None] = {}
    while len(found) < count:
        chosen = [*(draw.pick(sentences) for _ in range(1 if draw.chance(0.5) else 2)), draw.pick(ends)]
        found[Pair(" ".join(pair.source for pair in chosen), " ".join(pair.target for pair in chosen))] = None
    return list(found)


def _stream(seed: int, constructions: Sequence[Construction]) -> Iterator[Pair]:
    """Distinct pairs without end, or until every construction is exhausted."""
    draw = Draw(seed)
    active = list(constructions)
    repetitions = dict.fromkeys(range(len(active)), 0)
    seen: set[str] = set()
    while active:
        bounds = list(accumulate(entry.weight for entry in active))
        exhausted = None
        while exhausted is None:
            index = draw.index(bounds)
            pair = active[index].sample(draw)
            text = str(pair.source)  # without what builds its tree
            if text not in seen:
                seen.add(text)
                repetitions[index] = 0
                yield pair
            else:
                repetitions[index] += 1
                if repetitions[index] == _PATIENCE:
                    exhausted = index
        del active[exhausted]
        repetitions = dict.fromkeys(range(len(active)), 0)


def count_lower_bound() -> int:
    """A lower bound of the number of distinct pairs, counted from the tables.

    It counts one form of one construction: pronoun or plain definite person, transitive verb in the present, and
    its object with a definite determiner, a possible adjective and no adverbial. Each choice of words gives a
    different English sentence.
    """
    people = lexicon.select("people")
    subjects = len(sampling.PRONOUNS) + sum(1 if noun.plural_only else 2 for noun in people)
    total = 0
    for verb in lexicon.verb_table("TRANSITIVE"):
        for noun in verb.objects:
            if noun.section in ("language", "unique", *nouns.GROUPS["people"]):
                continue
            determiners = 1 + len(lexicon.POSSESSIVES) * noun.owned
            total += determiners * (1 + len(lexicon.adjectives_of(noun)))
    return subjects * total
