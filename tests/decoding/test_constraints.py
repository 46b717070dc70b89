"""Demands in text: what they mean, however a text is cut into tokens, and that they change no more than they must."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeing_example import LINES, random_translator
from small_model import padded, small_model

import numpy_transformer as nt
from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.decoding.demanding_search import demanding_search
from numpy_transformer.decoding.recorder import BeamRecorder
from numpy_transformer.decoding.required_terms import Term
from numpy_transformer.decoding.token_texts import TokenTexts
from numpy_transformer.seeing.story import tell
from numpy_transformer.translation.text_errors import ForbiddenError

TRANSLATORS = [random_translator(seed) for seed in range(3)]
sources = st.sampled_from(LINES[:5])
translators = st.sampled_from(TRANSLATORS)


def demand_holds(text: str, constraints: Constraints) -> bool:
    return (
        (text.startswith(constraints.prefix) or text == constraints.prefix.rstrip())
        and all(term in text for term in constraints.required)
        and all(term not in text for term in constraints.banned)
    )


class Tokenizer:
    """Tokens of a few letters; it takes the longest at each place, and a search may take others."""

    def __init__(self, *pieces: str, before: str = "") -> None:
        self.special_tokens = {"<a>": 0, "b": 1, "</s>": 2}  # their names are no text
        self.vocabulary = {**{i: name.encode() for name, i in self.special_tokens.items()}}
        self.vocabulary |= {number: piece.encode() for number, piece in enumerate(pieces, 3)}
        self._before = before

    def encode(self, text: str) -> list[int]:
        rest, ids = f"{self._before}{text.strip()}".encode() if self._before else text.encode(), []
        while rest:
            fitting = [token for token in list(self.vocabulary)[3:] if rest.startswith(self.vocabulary[token])]
            if not fitting:
                return [3]  # as if unknown
            ids.append(max(fitting, key=lambda token: len(self.vocabulary[token])))
            rest = rest[len(self.vocabulary[ids[-1]]) :]
        return ids

    def text(self, ids: list[int]) -> str:
        return b"".join(self.vocabulary[token] for token in ids).decode().strip()


LETTERS = Tokenizer("a", "ab", "b", " ")
SPACED = Tokenizer(" a", " ab", "b", " ", before=" ")  # a space before every first word, as SentencePiece has it


def search(model, constraints, *, beam=3, n_best=1, limit=6, tokenizer=LETTERS, identity=None):
    demands = constraints.compile(tokenizer, eos_id=2)
    [found] = demanding_search(
        model,
        padded([[3, 5, 4, 2]]),
        demands,
        limits=np.array([limit]),
        beam=beam,
        alpha=0.6,
        n_best=n_best,
        identity=identity or tokenizer.text,
    )
    return found


def test_other_tokens_with_the_same_text_are_the_same_translation():
    """Among the four best by their ids there are such, in many of the searches."""
    tokenizer, repeated = Tokenizer("a", "b", "a", "b"), 0
    for seed in range(40):
        options = {"beam": 4, "n_best": 4, "tokenizer": tokenizer}
        found = search(small_model(seed, sharpness=0.5), Constraints(), **options)
        by_ids = search(small_model(seed, sharpness=0.5), Constraints(), identity=tuple, **options)
        texts = [tokenizer.text(one.ids) for one in by_ids]
        assert len(found) >= len(set(texts))
        assert len({tokenizer.text(one.ids) for one in found}) == len(found)
        best = {tokenizer.text(one.ids): one for one in reversed(by_ids)}
        assert all(one in found or one.score < found[-1].score for one in best.values())
        repeated += len(set(texts)) < len(found)
    assert repeated > 2


@given(seed=st.integers(0, 2**32 - 1), beam=st.integers(1, 4), sharpness=st.sampled_from([1.0, 3.0]), data=st.data())
@settings(max_examples=100)
def test_what_the_search_fulfils_by_itself_changes_nothing(seed, beam, sharpness, data):
    """A prefix that ends anywhere, a part of a word, a banned text that does not occur, lengths; for n best as well."""
    model, n_best = small_model(seed, sharpness=sharpness), data.draw(st.integers(1, beam))
    free = search(model, Constraints(), beam=beam, n_best=n_best)
    best, text = free[0], LETTERS.text(free[0].ids)
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    part = text[first:last].strip()
    constraints = Constraints(
        prefix=text[: data.draw(st.integers(0, len(text)))],
        required=(part,) if part else (),
        banned=data.draw(st.lists(st.text("ab<>/s", min_size=1, max_size=3).filter(lambda term: term not in text))),
        minimum_length=data.draw(st.integers(0, len(best.ids))),
        maximum_length=data.draw(st.none() | st.integers(max(1, len(best.ids)), 6)),
        no_repeat_ngram=data.draw(st.sampled_from([None, len(best.ids) + 1])),
    )
    if text and constraints.prefix == text and data.draw(st.booleans()):
        constraints = dataclasses.replace(constraints, prefix=f"{text} ")
    found = search(model, constraints, beam=beam, n_best=n_best)
    assert found[0] == best
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        assert demand_holds(LETTERS.text(one.ids), constraints)
    kept = [one for one in free if constraints.compile(LETTERS, eos_id=2).hold(one.ids)]
    assert all(one in found for one in kept) or len(found) == n_best
    if len(kept) == len(free):
        assert found == free


@given(
    translator=translators,
    source=sources,
    n_best=st.sampled_from([1, 4]),
    prefix=st.sampled_from(["", "we", "we ", "the ho", "dogs run h"]),
    required=st.lists(st.sampled_from(["dog", "ouse", "e", "home, home", "Ü", '"']), max_size=2),
    banned=st.lists(st.sampled_from(["cat", "s ", "un", "<", "bos", "ee"]), max_size=2),
)
@settings(max_examples=25)
def test_demands_hold_whatever_they_cost(translator, source, n_best, prefix, required, banned):
    constraints = Constraints(prefix=prefix, required=required, banned=banned)
    try:
        [found] = translator.hypotheses([source], n_best=n_best, constraints=constraints)
    except ForbiddenError:
        assert any(ban.strip() in text for ban in banned for text in (prefix, *required))
        return
    for one in found:
        assert one.text.startswith(prefix) or one.text == prefix.rstrip()
        assert all(term in one.text for term in required)
        assert not any(term.strip() in one.text for term in banned)
    assert len({" ".join(one.text.split()) for one in found}) == len(found)


@pytest.mark.parametrize("name", ["<", "e", "eos", ">", "<eos>", "pad"])
def test_names_of_special_tokens_are_no_text(name):
    """To ban them does not forbid the end of a translation; to require them asks for their letters."""
    for translator in TRANSLATORS:
        for [free], [found] in zip(
            translator.hypotheses(LINES[:3]),
            translator.hypotheses(LINES[:3], constraints=Constraints(banned=(name,))),
            strict=True,
        ):
            assert name not in found.text
            if name not in free.text:
                assert found == free
        [[required]] = translator.hypotheses(LINES[:1], constraints=Constraints(required=(name,)))
        assert name in required.text


@pytest.mark.parametrize("term", ["dog", "o", "the dog", "og ru", "ß", "dogs"])
def test_banned_and_required_mean_the_same(term):
    translator = TRANSLATORS[0]
    demands = [Constraints(banned=(term,)), Constraints(required=(term,))]
    compiled = [one.compile(translator.tokenizer, eos_id=2) for one in demands]
    for text in ("the dog", "dogs", '"dog"', "(dog", "house-dog", "bulldogs", "Dog", "", "do g", "the dog runs", "ß"):
        ids = translator.tokenizer.encode(text)
        bytewise = [translator.tokenizer.encode(character)[0] for character in text if character.isascii()]
        for written in [ids, bytewise] if text.isascii() else [ids]:
            assert [one.hold(written) for one in compiled] == [term not in text, term in text]
    for source in LINES[:3]:
        with pytest.raises(nt.InputError, match="has no translation that fulfils the constraints"):
            translator.hypotheses([source], constraints=Constraints(banned=(term,), required=(term,)))


def test_letters_mean_the_same_composed_or_not():
    translator, source = TRANSLATORS[1], LINES[0]
    for make in (
        lambda text: Constraints(prefix=text),
        lambda text: Constraints(required=(text,)),
        lambda text: Constraints(banned=(text,), prefix="Gr"),
    ):
        found = [
            translator.hypotheses([source], constraints=make(text)) for text in ("Grün", "Gru\u0308n", " Grün\ufeff")
        ]
        assert found[0] == found[1] == found[2]
    banned = Constraints(banned=("ü",)).compile(translator.tokenizer, eos_id=2)
    assert not banned.hold(translator.tokenizer.encode("Gru\u0308n"))


def test_a_space_at_the_end_of_a_prefix_is_the_end_of_its_word():
    demands = {
        text: Constraints(prefix=text).compile(TRANSLATORS[0].tokenizer, eos_id=2)
        for text in ("the", "the ", "the \n", " the", " \n")
    }
    for text, holding in {
        "the dog": "11111",
        "then": "10011",
        "the": "11111",
        "the, dog": "10011",
        "a": "00001",
    }.items():
        ids = TRANSLATORS[0].tokenizer.encode(text)
        assert [one.hold(ids) for one in demands.values()] == [bit == "1" for bit in holding]


def test_the_best_stays_the_best_however_many_are_asked_for():
    """One demand that it fulfils and the others do not: they are replaced."""
    replaced = 0
    for seed in range(20):
        model = small_model(seed)
        free = search(model, Constraints(), beam=4, n_best=4)
        texts = [LETTERS.text(one.ids) for one in free]
        banned = [text for text in texts[1:] if text and text not in texts[0]]
        found = [search(model, Constraints(banned=banned[:1]), beam=4, n_best=n) for n in (1, 2, 4)]
        assert [one[0] for one in found] == [free[0]] * 3
        replaced += len(found[2]) == 4 and found[2] != free
    assert replaced > 5


def test_a_higher_limit_lets_a_translation_go_on():
    """What the usual limit cut off is not what a higher one gives."""
    translator = random_translator(0)
    translator.model.parameters.tree.embedding.weight[2] = 0  # eos is never likely
    [[free]] = translator.hypotheses(["a"], beam=1)
    [[longer]] = translator.hypotheses(["a"], beam=1, constraints=Constraints(maximum_length=80))
    assert len(free.ids) < len(longer.ids) == 80
    [[least]] = translator.hypotheses(["a"], beam=1, constraints=Constraints(minimum_length=70))
    assert len(least.ids) == 70


def test_what_is_recorded_is_the_search_that_found_the_best():
    translator, source = TRANSLATORS[0], LINES[0]
    [[free]] = translator.hypotheses([source])
    for constraints in (
        Constraints(prefix=free.text.strip()[:1]),
        Constraints(prefix="Ü"),
        Constraints(required=("Ü",)),
    ):
        recorder = BeamRecorder()
        [found] = translator.hypotheses([source], n_best=3, constraints=constraints, recorder=recorder)
        story = tell(recorder, translator.tokenizer, alpha=0.6, n_best=3)
        assert story.finished[0].text == found[0].text
        assert story.finished[0].score == pytest.approx(found[0].score)
        texts = [" ".join(one.text.split()) for one in story.finished]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("prefix", ["a", "ab", "abb", "b", "a a", "ab "])
@pytest.mark.parametrize("required", [(), ("ab",), ("b a", "abb")])
def test_a_space_that_the_tokenizer_adds_is_no_part_of_the_text(prefix, required):
    for seed in range(5):
        found = search(
            small_model(seed), Constraints(prefix=prefix, required=required), limit=8, tokenizer=SPACED, n_best=2
        )
        assert found
        for one in found:
            text = SPACED.text(one.ids)
            assert text.startswith(prefix) or text == prefix.rstrip()
            assert all(term in text for term in required)


def test_a_required_term_does_not_push_a_space_before_the_first_word():
    """But where only the token with a space fits into the length, it is taken."""
    tokenizer = Tokenizer("a", "b", " ab", " ")
    texts = TokenTexts(tokenizer.vocabulary, special={0, 1, 2})
    term = Term(b"ab", texts, after_space=tokenizer.encode(" ab"), bare=tokenizer.encode("ab"))
    assert set(term.advancing(b"")) == {3}
    assert set(term.advancing(b"b")) == {3, 5}
    assert set(term.advancing(b"a")) == {3, 4, 5}
    for seed in range(5):
        for one in search(small_model(seed), Constraints(required=("ab",), maximum_length=1), tokenizer=tokenizer):
            assert one.ids == [5]


def test_what_the_tokens_cannot_write_is_said():
    for name, constraints in (("prefix", Constraints(prefix="x")), ("required term", Constraints(required=("x",)))):
        with pytest.raises(nt.InputError, match=f"the model's tokens cannot write the {name} 'x'"):
            constraints.compile(SPACED, eos_id=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefix": ["the"]}, "prefix is a list; give a str"),
        ({"prefix": None}, "prefix is a NoneType; give a str"),
        ({"prefix": b"the"}, "prefix is a bytes; give a str"),
        ({"banned": ("a", 5)}, "a banned term is a int; give a str"),
        ({"required": None}, "required is a NoneType; give a tuple of texts"),
        ({"required": {"a"}}, "required is a set; give a tuple of texts"),
        ({"required": ("\ufeff \n",)}, "a required term is blank"),
        ({"banned": ("\ud800",)}, "half a surrogate pair"),
        ({"minimum_length": "3"}, "min-length is '3'; it must be a whole number"),
        ({"minimum_length": None}, "min-length is None; it must be a whole number"),
        ({"maximum_length": 2.5}, "max-length is 2.5; it must be a whole number"),
        ({"no_repeat_ngram": True}, "no-repeat-ngram is True; it must be a whole number"),
    ],
)
def test_impossible_demands_are_refused(options, message):
    with pytest.raises(nt.InputError, match=message):
        Constraints(**options)
