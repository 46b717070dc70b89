"""Required terms: every translation contains all of them (dynamic beam allocation, Post and Vilar 2018).

Forbidding the end of a translation until all terms are there is not enough: the beam would fill with hypotheses that
put the terms off forever. So

    the tokens that advance a term are always candidates, however improbable;
    the beam is shared evenly among the banks, bank p holding the candidates with p tokens of the terms to go;
    a token may come only if it leaves room for everything still missing.

The last point is what makes it a guarantee. A term is there as soon as its text is, in whatever tokens, as a word or as
a part of one, and the room is that of the fewest tokens. Candidates and banks follow the tokens that the tokenizer uses
for the term, since those are the ones that the model knows.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.rules import Hypotheses
from numpy_transformer.decoding.token_texts import Completion, TokenTexts
from numpy_transformer.errors import InputError

NEVER = 1 << 30  # tokens: more than any translation has


class Term:
    """A required text, and how the tokenizer writes it: as the ids `after_space` and `bare`.

    Raises InputError if it is empty, or if the ids do not write it.
    """

    def __init__(self, text: bytes, tokens: TokenTexts, *, after_space: Sequence[int], bare: Sequence[int]) -> None:
        self._text, self._tokens, self._completion = text, tokens, Completion(text, tokens)
        self.usual = max(len(after_space), len(bare))  # tokens, where nothing of it is there yet
        self._first: set[int] = set()  # of these
        self._ahead: dict[int, tuple[int, int]] = {}  # once k bytes are there: the next token, how many are missing
        for ids in (after_space, bare):
            written = tokens.written(ids)
            if written.strip() != text:
                raise InputError(f"the model's tokens cannot write the required term {text.decode('utf-8')!r}")
            k = len(written.lstrip()) - len(written)  # the space before it is not yet a part of it
            for number, token in enumerate(ids):
                if k <= 0:
                    self._first.add(token)
                elif k not in self._ahead or self._ahead[k][1] > len(ids) - number:
                    self._ahead[k] = token, len(ids) - number
                k += len(tokens.bytes_of[token])
        spaced = tokens.bytes_of[bare[0]][:1].isspace()
        starts = [*self._first, *self._completion.whole]
        self._first_of_all = [token for token in starts if tokens.bytes_of[token][:1].isspace() == spaced]
        self._opening = {token for k in range(1, len(text)) for token in tokens.ending_with(text[:k])}
        self._fewest = [0] * (len(text) + 1)  # for each k: the tokens that it takes to complete the first k bytes
        for k in reversed(range(1, len(text))):
            going_on = (self._fewest[k + len(tokens.bytes_of[token])] for token in tokens.that_begin(text[k:]))
            self._fewest[k] = 1 + min([0] if tokens.beginning_with(text[k:]) else going_on, default=NEVER)
        opened = (k for k in range(1, len(text)) if tokens.ending_with(text[:k]))
        self.fewest = 1 + min([0] if self._completion.whole else (self._fewest[k] for k in opened))

    def is_in(self, written: bytes) -> bool:
        return self._text in written

    def usual_missing(self, written: bytes) -> int:
        """The tokens still missing where it is written in its usual tokens and perhaps begun."""
        return min([self.usual, *(missing for _, missing in self._begun(written))])

    def fewest_missing(self, written: bytes) -> int:
        """The fewest tokens that complete it."""
        begun = (k for k in range(1, len(self._text)) if written.endswith(self._text[:k]))
        return min([self.fewest, *(self._fewest[k] for k in begun)])

    def advancing(self, written: bytes) -> Iterator[int]:
        """The tokens that begin it or continue it as usual, and those that complete it."""
        if written:
            yield from self._first
            yield from (token for token, _ in self._begun(written))
            yield from self._completion.whole
            yield from self._completion.after(written)
        else:  # a space comes before a first word only if the tokenizer puts it there
            yield from self._first_of_all

    def possible(self, written: bytes) -> Iterator[int]:
        """All tokens that begin, continue or complete it."""
        yield from self._opening
        yield from self._completion.whole
        yield from self._completion.after(written)
        for k in range(1, len(self._text)):
            if written.endswith(self._text[:k]):
                yield from self._tokens.that_begin(self._text[k:])

    def _begun(self, written: bytes) -> list[tuple[int, int]]:
        """For each way in which the end of `written` begins it as usual: the next token, and how many are missing."""
        return [ahead for k, ahead in self._ahead.items() if written.endswith(self._text[:k])]


class RequiredTerms:
    """What every translation must contain."""

    def __init__(self, terms: Sequence[Term], tokens: TokenTexts, *, eos_id: int) -> None:
        self._terms, self._token_texts, self._eos_id = list(terms), tokens, eos_id

    @property
    def tokens(self) -> int:
        """The tokens that all terms need at least, one after the other."""
        return sum(term.fewest for term in self._terms)

    def holds(self, ids: Sequence[int]) -> bool:
        """Whether a whole translation contains all terms."""
        return not self._unmet(self._token_texts.written(ids))

    def bank(self, ids: Sequence[int]) -> int:
        """The usual tokens that a hypothesis still needs for all terms."""
        written = self._token_texts.written(ids)
        unmet = self._unmet(written)
        # Only the one that is furthest counts as begun; the others come after it.
        gained = (term.usual - term.usual_missing(written) for term in unmet)
        return sum(term.usual for term in unmet) - max(gained, default=0)

    def room(self, ids: Sequence[int]) -> int:
        """The fewest tokens that a hypothesis still needs for all terms, one after the other."""
        written = self._token_texts.written(ids)
        unmet = self._unmet(written)
        gained = (term.fewest - term.fewest_missing(written) for term in unmet)
        return sum(term.fewest for term in unmet) - max(gained, default=0)

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        """No eos before all terms are there, and no token that leaves too little room for what is missing."""
        behind = (hypotheses.limits - hypotheses.length - 1).tolist()  # tokens that may follow the next one
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                written = self._token_texts.written(ids)
                unmet = self._unmet(written)
                if not unmet:
                    continue
                forbidden[row, column, self._eos_id] = True
                if sum(term.fewest for term in unmet) > behind[row]:  # a token of no term would take their room
                    others = np.ones(forbidden.shape[2], dtype=bool)
                    for token in {token for term in unmet for token in term.possible(written)}:
                        others[token] = self.room([*ids, token]) > behind[row]
                    forbidden[row, column, others] = True

    def advancing(self, hypotheses: Hypotheses, vocabulary_size: int) -> Array:
        """(b, W, V) whether a token begins, continues or completes a term."""
        b, W, _ = hypotheses.ids.shape
        found = np.zeros((b, W, vocabulary_size), dtype=bool)
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                written = self._token_texts.written(ids)
                found[row, column, [token for term in self._unmet(written) for token in term.advancing(written)]] = True
        return found

    def spread(
        self, order: Array, tokens: Array, parents: Array, totals: Array, hypotheses: Hypotheses, beam: int
    ) -> Array:
        """`order` (b, n), candidates from the best to the worst, changed so that the first `beam` share the banks.

        parents (b, n) are given in that order too; tokens and totals (b, n) by the numbers that `order` holds.
        """
        spread = order.copy()
        for row, paths in enumerate(hypotheses.paths()):
            banks: dict[int, list[int]] = {}
            for candidate, parent in zip(order[row].tolist(), parents[row].tolist(), strict=True):
                if totals[row, candidate] > -np.inf:
                    missing = self.bank([*paths[parent], int(tokens[row, candidate])])
                    banks.setdefault(missing, []).append(candidate)
            # One of each bank in turn, those missing least first; a bank that runs out leaves its share to the rest.
            chosen: list[int] = []
            for rank in range(beam):
                chosen += [banks[missing][rank] for missing in sorted(banks) if rank < len(banks[missing])]
            chosen = sorted(chosen[:beam], key=lambda candidate: -totals[row, candidate])
            taken = set(chosen)
            spread[row] = [*chosen, *(candidate for candidate in order[row].tolist() if candidate not in taken)]
        return spread

    def _unmet(self, written: bytes) -> list[Term]:
        return [term for term in self._terms if not term.is_in(written)]
