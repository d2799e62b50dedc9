"""Texts for people: what is wrong, why (with numbers), how to fix it, and the reason code, in that order."""

from dataclasses import dataclass
from typing import Final

from controller.api.json import Json
from controller.api.reasons import Reason

TEXT_LIMIT: Final = 600
"""Characters of the longest text a user is asked to read."""

MAX_FIXES: Final = 3

_READ_PER_CHARACTER: Final = 4
"""Characters of a value that are read for each one shown, since runs of blanks are shown as one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in the four parts a person needs.

    Attributes:
        reason: the code, from the closed list.
        field: JSON path of the field at fault, such as `resource.count`; empty for the whole object.
        what: the field's value and what is wrong with it.
        why: the numbers behind it, with units.
        fixes: ways out, best first, at most three.
    """

    reason: Reason
    field: str
    what: str
    why: str = ""
    fixes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The four parts as one text of at most 600 characters, the code always last and whole.

        Where that is too little, the least of several fixes is left out rather than cut.
        """
        code = f" ({self.reason})"
        fact = ": ".join(part for part in (self.what, self.why) if part)
        body = fact
        for kept in range(min(len(self.fixes), MAX_FIXES), 0, -1):
            body = f"{fact}. Fix: {'; or '.join(self.fixes[:kept])}"
            if len(body) + len(code) <= TEXT_LIMIT:
                break
        return shorten(body, TEXT_LIMIT - len(code)) + code

    def as_cause(self) -> Json:
        """The entry for `details.causes` of a Status."""
        return {"reason": str(self.reason), "field": self.field, "message": self.text}


def shorten(text: str, limit: int) -> str:
    """The text on one line, cut with an ellipsis where it is longer than `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: max(limit - 1, 0)].rstrip() + "…"


def quote(value: object, limit: int = 80) -> str:
    """A user's value in quotes, cut and stripped of control characters so that it cannot garble a terminal."""
    text = str(value)
    most = _READ_PER_CHARACTER * limit
    head = text if len(text) <= most else text[:most] + "…"
    printable = "".join(char if char.isprintable() else "?" for char in head)
    return f'"{shorten(printable, limit)}"'
