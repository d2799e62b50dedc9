"""Messages for people: the first line says what, why and how to mend it, and always ends with the reason.

Readers of claims show the first 256 characters of the root condition, which puts a condition's type before the text.
"""

import re
from typing import Final

from controller.api.claims import MACHINE
from controller.api.messages import shorten
from controller.api.reasons import MEANINGS, Reason
from provisioner.errors import ErrorKind, Fault, quota_figures

HEADLINE: Final = 256 - max(len(type_) + len(": ") for type_ in MACHINE.dependents)
"""Characters of a message's first line: what is left of 256 when the root condition repeats it."""

_LEAST_WHY: Final = 40
_ACTION: Final = re.compile(r"perform action '([\w./*]{1,120})'")
_WORDS_MATTER: Final = frozenset({ErrorKind.INVALID, ErrorKind.PERMISSION})
"""Kinds whose own words name the field or right at fault; the general meaning alone helps nobody."""


def headline(what: str, why: str, reason: Reason, *fixes: str) -> str:
    """The first line of a message, at most `HEADLINE` characters: what is too long is taken from the why.

    Args:
        what: what is not as it should be.
        why: the cause, with its figures.
        reason: the code that ends the line.
        fixes: ways out, best first.
    """
    code = f" ({reason})"
    fix = f". Fix: {'; or '.join(fixes)}" if fixes else ""
    limit = HEADLINE - len(code)
    cause = shorten(why.rstrip("."), max(_LEAST_WHY, limit - len(what) - len(fix) - len(": ")))
    return shorten(f"{what}: {cause}{fix}", limit) + code


def explain(fault: Fault, what: str, note: str = "", *, way_out: str = "") -> str:
    """A fault of the cloud for people: the headline, then a second line with the cloud's own words if they are steady.

    Args:
        fault: what went wrong.
        what: what did not happen, as the beginning of a sentence.
        note: a further sentence for the second line.
        way_out: what to do where the reason's own fix is of no use.
    """
    steady, fix = fault.steady, MEANINGS[fault.reason].fix.rstrip(".")
    first = headline(what, _why(steady), fault.reason, *filter(None, (fix, way_out)))
    words = " ".join(part for part in (note, steady.text) if part)
    return f"{first}\n{words}" if words else first


def _why(fault: Fault) -> str:
    if figures := quota_figures(fault.text):
        return figures
    if fault.kind is ErrorKind.PERMISSION and (match := _ACTION.search(fault.text)):
        return f"no right to {match[1]}"
    return fault.text if fault.kind in _WORDS_MATTER and fault.text else MEANINGS[fault.reason].meaning
