"""Checks of the parts that make a tokenizer; each error says what is wrong and where."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from .errors import TokenizerError
from .terms import TERM_OPTIONS


def checked_special_tokens(special_tokens: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    """Return the id of each special token."""
    if isinstance(special_tokens, str):
        raise TokenizerError(f"special_tokens is a list of names, not one str ({special_tokens!r})")
    if not isinstance(special_tokens, Mapping):
        names = list(special_tokens)
        special_tokens = {name: token_id for token_id, name in enumerate(names)}
        if len(special_tokens) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise TokenizerError(f"special token {repeated!r} is given twice")
    for name, token_id in special_tokens.items():
        if not isinstance(name, str) or not name:
            raise TokenizerError(f"a special token needs a name of at least one character, not {name!r}")
        if not isinstance(token_id, int) or token_id < 0:
            raise TokenizerError(f"special token {name!r} needs an id of 0 or more, not {token_id!r}")
        check_is_unicode(name)
    if len(set(special_tokens.values())) < len(special_tokens):
        raise TokenizerError(f"two special tokens have the same id: {dict(special_tokens)}")
    return dict(special_tokens)


def check_is_unicode(name: str) -> None:
    """Raises TokenizerError for a name, term or pattern that cannot be saved as UTF-8."""
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise TokenizerError(f"{name!r} holds a lone surrogate, which cannot be saved to a file")


def checked_protected_terms(terms: Iterable[str], special_tokens: Mapping[str, int]) -> tuple[str, ...]:
    """Return the terms, each once."""
    if isinstance(terms, str):
        raise TokenizerError(f"protected_terms is a list of terms, not one str ({terms!r})")
    terms = tuple(dict.fromkeys(terms))
    for term in terms:
        if not isinstance(term, str) or not term:
            raise TokenizerError(f"a protected term needs at least one character, not {term!r}")
        check_is_unicode(term)
        if term in special_tokens:
            raise TokenizerError(f"{term!r} cannot be both a protected term and a special token")
    return terms


def checked_term_options(
    options: Mapping[str, Collection[str]] | None, names: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return the options of each term or special token that has any, in the order of TERM_OPTIONS."""
    found = {}
    for name, given in (options or {}).items():
        if name not in names:
            raise TokenizerError(f"term_options names {name!r}, which is neither a protected term nor a special token")
        if unknown := set(given) - set(TERM_OPTIONS):
            raise TokenizerError(f"{name!r} has the option {min(unknown)!r}; known are {', '.join(TERM_OPTIONS)}")
        if given:
            found[name] = tuple(option for option in TERM_OPTIONS if option in given)
    return found


def checked_merges(
    merges: Sequence[tuple[bytes, bytes]],
) -> tuple[list[bytes], dict[tuple[int, int], int], list[tuple[int, int]]]:
    """Return the bytes of every symbol, the table from a pair to the symbol it makes, and the pair of each merge."""
    symbols = {bytes([byte]): byte for byte in range(256)}
    table: dict[tuple[int, int], int] = {}
    for made, pair in enumerate(merges, 256):
        try:
            left, right = pair
            token = left + right
            table[symbols[left], symbols[right]] = made
        except (TypeError, ValueError, KeyError) as error:
            if isinstance(error, KeyError) and isinstance(error.args[0], bytes):
                reason = f"{left!r} + {right!r}: {error.args[0]!r} is neither one byte nor made by an earlier merge"
            else:
                reason = f"{pair!r}: not a pair of byte strings"
            raise TokenizerError(f"merge {made - 256}, {reason}") from None
        if token in symbols:
            raise TokenizerError(
                f"merge {made - 256}, {left!r} + {right!r}: merge {symbols[token] - 256} already makes {token!r}"
            )
        symbols[token] = made
    return list(symbols), table, list(table)


def checked_ids(token_ids: Sequence[int] | None, number: int, special_tokens: Mapping[str, int]) -> list[int]:
    """Return the id of each of `number` symbols."""
    taken = set(special_tokens.values())
    if token_ids is None:
        return sorted(set(range(number + len(taken))) - taken)[:number]
    ids = list(token_ids)
    if len(ids) != number:
        raise TokenizerError(f"token_ids has {len(ids)} ids for {number} bytes, merges and protected terms")
    for token_id in ids:
        if not isinstance(token_id, int) or token_id < 0:
            raise TokenizerError(f"token_ids holds {token_id!r}; an id is an integer of 0 or more")
        if token_id in taken:
            raise TokenizerError(f"id {token_id} is given to two tokens")
        taken.add(token_id)
    return ids
