"""What is found in a configuration file: faults that refuse it, cautions that do not."""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

MAX_FAULTS: Final = 10
"""Faults told of one document; more would bury the first ones."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something in a document that its author should know.

    Attributes:
        line: where, counted from 1.
        path: the key, such as `vllm.max-model-len`; empty for the document itself.
        what: what is wrong with it or becomes of it, in one clause that follows the path.
        why: the rule behind it, with units.
        fixes: ways out, best first.
        release: whether it holds only for the releases we know, and not for an image of the user's own.
    """

    line: int
    path: str
    what: str
    why: str = ""
    fixes: tuple[str, ...] = ()
    release: bool = False


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """What was read from a document.

    Attributes:
        config: its meaning; of a document with faults as much as could be read.
        faults: what keeps it from being used, at most ten.
        cautions: what its author should know all the same.
    """

    config: T
    faults: tuple[Remark, ...] = ()
    cautions: tuple[Remark, ...] = ()
