"""How a fault is made to happen, and how it is ended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from tests.faults_table.place import Place

Act: TypeAlias = Callable[[Place], Awaitable[None]]


def at_once(place: Place) -> bool:
    """The fact is there as soon as it is made."""
    del place
    return True


@dataclass(frozen=True, slots=True)
class Injection:
    """One row's deeds.

    Attributes:
        make: brings the fault about.
        heal: ends its cause; nothing else is done until the Workspace is Ready.
        readable: whether the fact can be read from whoever knows it first; True at once where `make` writes it.
    """

    make: Act
    heal: Act
    readable: Callable[[Place], object] = at_once
