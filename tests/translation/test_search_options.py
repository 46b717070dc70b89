"""One record of search options, checked when it is made; what a translator is given when it is made."""

import dataclasses

import numpy as np
import pytest
from seeing_example import LINES, random_translator

import numpy_transformer as nt
from numpy_transformer.decoding.lexical_shortlist import Shortlist


def test_the_usual_options_are_those_of_translate():
    assert nt.SearchOptions() == nt.SearchOptions(beam=4, alpha=0.6, n_best=1)
    translator = random_translator(0)
    found = translator.search(LINES[:3], nt.SearchOptions())
    assert [best.text for [best] in found] == translator.translate(LINES[:3])
    assert found == translator.hypotheses(LINES[:3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam is 0; it must be a whole number of at least 1"),
        ({"alpha": float("inf")}, "alpha is inf; it must be at least 0"),
        ({"alpha": "0.6"}, "alpha is 0.6; it must be at least 0, and finite"),
        ({"alpha": None}, "alpha is None; it must be at least 0"),
        ({"beam": True}, "beam is True; it must be a whole number"),
        ({"beam": "4"}, "beam is 4; it must be a whole number"),
        ({"coverage": "x"}, "coverage is x; it must be at least 0"),
        ({"sampling": True}, "sampling is True; give a Sampling, or None"),
        ({"constraints": "Hund"}, "constraints is 'Hund'; give a Constraints, or None"),
        ({"coverage": -1.0}, "coverage is -1.0; it must be at least 0"),
        ({"n_best": 5}, r"n-best is 5; it must be at most the beam \(4\)"),
        ({"sampling": nt.Sampling(), "coverage": 0.2}, "they have no meaning for sampling"),
        ({"shortlist": True, "sampling": nt.Sampling()}, "a shortlist is for beam search without constraints"),
        ({"shortlist": True, "constraints": nt.Constraints()}, "a shortlist is for beam search without constraints"),
    ],
)
def test_what_cannot_be_is_refused_when_the_record_is_made(options, message):
    with pytest.raises(nt.InputError, match=message):
        nt.SearchOptions(**options)
    with pytest.raises(nt.InputError, match=message):
        dataclasses.replace(nt.SearchOptions(), **options)


def test_a_translator_has_the_shortlist_that_it_was_made_with():
    plain = random_translator(0)
    every = np.arange(len(plain.tokenizer))
    whole = Shortlist(always=every, translations=every[:, None])
    listed = nt.Translator(plain.model, plain.tokenizer, shortlist=whole)
    assert listed.translate(LINES[:3]) == plain.translate(LINES[:3])
    with pytest.raises(nt.InputError, match="a shortlist is for beam search without constraints"):
        listed.hypotheses(LINES[:1], sampling=nt.Sampling())
    with pytest.raises(nt.InputError, match="this translator has no shortlist"):
        plain.search(LINES[:1], nt.SearchOptions(shortlist=True))
    with pytest.raises(nt.InputError, match="a shortlist is for a single model"):
        nt.Translator([plain.model, plain.model], plain.tokenizer, shortlist=whole)


def test_a_translator_is_made_of_one_model_or_several():
    plain = random_translator(0)
    both = nt.Translator([plain.model, plain.model], plain.tokenizer)
    assert both.translate(LINES[:3]) == plain.translate(LINES[:3])
    with pytest.raises(nt.InputError, match="needs at least one model"):
        nt.Translator([], plain.tokenizer)
