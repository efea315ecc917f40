"""Numbers as people read them, in tables and captions."""

from __future__ import annotations

import math


def told_number(value: float, digits: int = 4) -> str:
    """Return a number as people read it, and as the page's script writes it too.

    Powers of ten stand where zeros would have to be counted, and a minus is no hyphen.

    >>> [told_number(value) for value in (34.2871, -1.5, 0.00021, 2.476e-06, -1234567.0)]
    ['34.29', '−1.5', '0.00021', '2.476e−6', '−1.235e6']
    >>> [told_number(value) for value in (-0.0, 1e6, 999999, 0.0001, math.inf)]
    ['0', '1e6', '1e6', '0.0001', 'inf']
    """
    rounded = float(f"{value:.{digits}g}")
    if not math.isfinite(rounded) or rounded == 0 or 1e-4 <= abs(rounded) < 1e6:
        text = f"{rounded + 0.0:g}"
    else:
        mantissa, exponent = f"{rounded:e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    return text.replace("-", "\N{MINUS SIGN}")


def told_range(low: float, high: float, digits: int = 4) -> str:
    """Return two numbers as people read them.

    >>> told_range(-0.5, 2)
    '−0.5 to 2'
    """
    return f"{told_number(low, digits)} to {told_number(high, digits)}"
