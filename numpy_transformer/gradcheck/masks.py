"""Dropout in cases: the same masks each time the forward runs, so that it is a pure function of its inputs.

An oracle runs it thousands of times. To draw Philox's numbers anew would take more than half of the time of a whole
model's check, so the masks of each site are remembered.
"""

from functools import lru_cache
from types import ModuleType

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.dropout_masks import DropoutMasks, Dropouts, DropoutSite


class RememberedMasks(DropoutMasks):
    """Philox's masks, each drawn once."""

    def next_mask(self, shape: tuple[int, ...]) -> Array:
        """The next site's mask: True where an element is kept."""
        return self._xp.asarray(_mask(self.next_site(), shape))


@lru_cache(maxsize=256)
def _mask(site: DropoutSite, shape: tuple[int, ...]) -> Array:
    mask = site.mask(shape)
    mask.flags.writeable = False  # it is everybody's
    return mask


def draw_masks(probability: float, seed: int | tuple[int, ...], xp: ModuleType) -> DropoutMasks | None:
    """The masks of one forward pass from its first site on: the same seed gives the same ones, on any device."""
    return RememberedMasks(probability, seed, xp, philox=True) if probability else None


def draw_dropouts(probability: float, seed: int, xp: ModuleType) -> Dropouts:
    """Masks of both kinds for one forward pass."""
    return Dropouts(draw_masks(probability, (seed, 0), xp), draw_masks(probability, (seed, 1), xp))
