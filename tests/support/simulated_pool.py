"""How often CuPy's memory pool would ask the card for memory, simulated on the stand-in (strict_gpu.py).

The rules are those of CuPy's SingleDeviceMemoryPool: sizes are rounded up to 512 bytes; the smallest free block that is
large enough is taken, and cut if it is larger; without one, the card is asked, which stops all work. A block that is
free again joins its neighbours, if they were cut from the same one.
"""

import weakref
from bisect import bisect_left, insort
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import strict_gpu

ROUNDED_TO = 512


class Block(NamedTuple):
    """In the order in which the pool looks for them."""

    size: int
    chunk: int  # what the card gave, in one piece
    offset: int


class SimulatedPool:
    """Blocks that are free, and what was asked of the card."""

    def __init__(self) -> None:
        self.asked = 0  # times
        self.bytes = 0
        self._free: list[Block] = []

    def take(self, size: int) -> Block:
        """A block of this many bytes."""
        size = -(-size // ROUNDED_TO) * ROUNDED_TO
        best = bisect_left(self._free, Block(size, -1, -1))
        if best == len(self._free):
            self.asked += 1
            self.bytes += size
            return Block(size, self.asked, 0)
        block = self._free.pop(best)
        if block.size > size:
            insort(self._free, Block(block.size - size, block.chunk, block.offset + size))
        return Block(size, block.chunk, block.offset)

    def give_back(self, block: Block) -> None:
        """It joins its neighbours."""
        size, chunk, offset = block
        for other in [one for one in self._free if one.chunk == chunk]:
            if other.offset + other.size == offset:
                self._free.remove(other)
                size, offset = size + other.size, other.offset
            elif other.offset == offset + size:
                self._free.remove(other)
                size += other.size
        insort(self._free, Block(size, chunk, offset))


@contextmanager
def simulated_pool() -> Iterator[SimulatedPool]:
    """The stand-in's arrays live in such a pool."""
    pool, living = SimulatedPool(), {}

    def died(owner: int) -> None:
        pool.give_back(living.pop(owner))

    def born(self: strict_gpu.ndarray, host: np.ndarray) -> None:
        self._host = host
        if host.base is None and host.nbytes and id(host) not in living:
            living[id(host)] = pool.take(host.nbytes)
            weakref.finalize(host, died, id(host))

    with patch.object(strict_gpu.ndarray, "__init__", born):
        yield pool
