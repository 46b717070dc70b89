"""Id sequences of several lengths, one behind the other in a single array, which may be a file mapped into memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from numpy_transformer.backend.arrays import Array

DIGEST_CHUNK = 1 << 20  # ids


@dataclass(frozen=True)
class IdRows:
    """Row i is `ids[starts[i] : starts[i + 1]]`.

    >>> rows = IdRows.of([[5, 6, 7], [8]])
    >>> len(rows), rows[1].tolist(), rows.lengths.tolist()
    (2, [8], [3, 1])
    """

    ids: Array  # (all ids,), of any integer type
    lengths: Array  # (N,)

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> "IdRows":
        """Rows that are given one by one, none of which is kept."""
        lengths: list[int] = []

        def measured(row: Sequence[int]) -> Sequence[int]:
            lengths.append(len(row))
            return row

        ids = np.fromiter(chain.from_iterable(map(measured, rows)), dtype=np.int32)
        return cls(ids, np.array(lengths, dtype=np.int64))

    def only(self, chosen: Array) -> "IdRows":
        """The rows where `chosen`, (N,) bool, is true.

        >>> IdRows.of([[5, 6, 7], [8], [9]]).only(np.array([False, True, True])).ids.tolist()
        [8, 9]
        """
        return IdRows(self.ids[np.repeat(chosen, self.lengths)], self.lengths[chosen])

    @cached_property
    def starts(self) -> Array:
        """(N + 1,): where each row begins, and where the last one ends."""
        starts = np.zeros(len(self.lengths) + 1, dtype=np.int64)
        np.cumsum(self.lengths, dtype=np.int64, out=starts[1:])
        return starts

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Array:
        return self.ids[self.starts[index] : self.starts[index + 1]]

    def __iter__(self) -> Iterator[Array]:
        return map(self.__getitem__, range(len(self)))

    def digested(self) -> Iterator[bytes]:
        """What a digest is made of: lengths as 64-bit numbers, then ids as 32-bit ones, however they are kept."""
        for array, dtype in ((self.lengths, np.int64), (self.ids, np.int32)):
            for start in range(0, len(array), DIGEST_CHUNK):
                yield array[start : start + DIGEST_CHUNK].astype(dtype).tobytes()
