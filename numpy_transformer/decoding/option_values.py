"""What an option may be: checked before it is compared, since a comparison with a str raises no clear error."""

from typing import Any

import numpy as np


def is_whole(value: Any) -> bool:
    """Whether it is a whole number, of Python or NumPy; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether it is a real number, of Python or NumPy; True and False are none."""
    return is_whole(value) or isinstance(value, float | np.floating)
