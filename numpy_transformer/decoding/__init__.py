"""Decoding: from source ids to translations, by greedy search, beam search or sampling. Read in this order:

    reference.py          greedy and beam search in their plainest form; the others must find the same
    scoring.py            the result of a search, the length penalty, normalizers, the largest of many numbers
    incremental.py        one new position per step: a decoder that keeps the keys and values of the past
    forwards.py           the layers' forwards as a decoder step uses them; on_card.py: in few launches on a GPU
    next_tokens.py        the best tokens of a step, and what may not come next
    token_by_token.py     greedy search of a whole batch, and drawing tokens at random
    results.py            the n best translations, no two of one text
    beam.py               beam search of many sentences side by side

Then the options of a search:

    token_texts.py        what tokens write: demands are about text, however it is cut into tokens
    rules.py              tokens that may not come next
    required_terms.py     terms that every translation must contain
    constraints.py        both, as a user writes them in text
    tree_rules.py         nothing but trees over given words, for a parser
    demanding_search.py   a search that demands change only where they must
    option_values.py      what an option may be
    lexical_shortlist.py  only the likely tokens of the vocabulary
    ensemble.py           several models as one
    packed.py             weights in an order that makes products of few rows fast

And how to look inside a search or a translation:

    recorder.py           each step of a beam search, written down
    live.py               the same while the search runs
    forced.py             the log-probability of a given translation
    attention_weights.py  where every layer and head looks
    attention_maps.py     the same with the tokens, for people to read
    alignment.py          which source word each target word translates
"""

from numpy_transformer.decoding.beam import beam_search
from numpy_transformer.decoding.incremental import IncrementalDecoder
from numpy_transformer.decoding.scoring import EXTRA_LENGTH, Decoded, length_penalty
from numpy_transformer.decoding.token_by_token import Sampling, greedy_search, sample

__all__ = [
    "EXTRA_LENGTH",
    "Decoded",
    "IncrementalDecoder",
    "Sampling",
    "beam_search",
    "greedy_search",
    "length_penalty",
    "sample",
]
