"""The phrasebook: English-German sentence pairs from a synchronous grammar, generated from a seed.

Every English sentence has exactly one German translation here. If the languages leave a choice, the grammar makes it
once and for all:

- "you" is one friend: du, dich, dir, dein;
- he and she are people; "it" is used only for the weather and the clock;
- persons of open gender are masculine (the teacher, der Lehrer), except for professions after "is a";
- the simple past and the present perfect are both the German perfect; only was and had are war and hatte;
- the progressive is the present with "gerade";
- the middle of a German clause is ordered: pronouns, time, objects, negation, manner, place.
"""

from numpy_transformer.data.phrasebook.construction import Construction, Pair
from numpy_transformer.data.phrasebook.generator import CONSTRUCTIONS, count_lower_bound, generate, split, split_trees
from numpy_transformer.data.phrasebook.noun_constructions import fixed_expressions

__all__ = [
    "CONSTRUCTIONS",
    "Construction",
    "Pair",
    "count_lower_bound",
    "fixed_expressions",
    "generate",
    "split",
    "split_trees",
]
