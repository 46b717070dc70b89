"""The numbers that the prose names are compared with those that the code computes; the build fails where they differ.

In a chapter's text stands  {num}`0.88|weights[0, 1]`  or  {claim}`more than half|exact > 0.5`.  The page shows what is
left of the bar. What is right of it is a Python expression in the chapter's own names, and becomes a hidden cell:

    number("0.88", weights[0, 1])        the text must be the value, rounded to as many decimals as the text has
    claim("more than half", exact > 0.5) the condition must hold
"""

import re
from typing import Any

import numpy as np


class ProseError(AssertionError):
    """A text of the book says something that the code does not."""


def number(text: str, value: Any) -> None:
    """Raises ProseError unless `text`, such as 0.88, 1,000, 3e-4, 97 % or −1.5, is `value` rounded to its digits."""
    plain = text.replace(",", "").replace("−", "-").replace("%", "").strip()
    if not re.fullmatch(r"[-+]?\d+(\.\d+)?(e-?\d+)?", plain):
        raise ProseError(f"{text!r} is no number")
    value = float(np.real(value)) * (100 if "%" in text else 1)
    mantissa, _, exponent = plain.partition("e")
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    if not abs(float(plain) - value) <= 0.5000001 * 10.0**-decimals:  # nan neither
        raise ProseError(f"the text says {text}, the code says {value:.6g}")


def claim(text: str, holds: Any) -> None:
    """Raises ProseError unless the condition holds."""
    if not bool(np.all(holds)):
        raise ProseError(f"the text says {text!r}, but that is not so")
