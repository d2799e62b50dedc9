"""Kubernetes quantities: `1Gi`, `500m`, `87G` and the like, as exact numbers.

Grammar: kubernetes/apimachinery `pkg/api/resource/quantity.go` (decimal, binary and exponent suffixes).
"""

import re
from fractions import Fraction
from typing import Final

GIB: Final = 1 << 30
"""Bytes in one GiB."""

_SUFFIXES: Final[dict[str, Fraction]] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(1 << 10),
    "Mi": Fraction(1 << 20),
    "Gi": Fraction(1 << 30),
    "Ti": Fraction(1 << 40),
    "Pi": Fraction(1 << 50),
    "Ei": Fraction(1 << 60),
}
_PATTERN: Final = re.compile(
    r"(?P<number>[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))"
    r"(?:[eE](?P<exponent>[+-]?\d{1,2})|(?P<suffix>[KMGTPE]i|[numkMGTPE])?)"
)


def parse_quantity(text: str | int | float) -> Fraction:
    """The exact value of a quantity.

    Raises:
        ValueError: the text is not a quantity.
    """
    match = _PATTERN.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 50Gi or 500m")
    number = Fraction(match["number"])
    if match["exponent"] is not None:
        return number * Fraction(10) ** int(match["exponent"])
    return number * _SUFFIXES[match["suffix"] or ""]


def ceil_gib(text: str | int | float) -> int:
    """A quantity in bytes as whole GiB, rounded up so that a request is never cut short.

    Raises:
        ValueError: the text is not a quantity.
    """
    return -(-parse_quantity(text) // GIB)


def count_of(quantities: dict[str, str], name: str) -> int:
    """The whole number a resource list states for a countable resource such as `nvidia.com/gpu`; 0 when absent."""
    try:
        return int(parse_quantity(quantities.get(name, "0")))
    except ValueError:
        return 0
