"""The cyclic garbage collector during long lists: the one place that touches it.

Decoding thousands of objects triggers collections that walk everything decoded so far and find nothing, since JSON has
no cycles: it more than triples the time of a first list. A later full collection over a filled cache stops the event
loop for as long as 200 ms per 5,000 Pods; frozen objects are not walked.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


class _Pauses:
    """Pauses may overlap, as informers start together: the last one to end lets the collector go on."""

    def __init__(self) -> None:
        self.depth = 0


_pauses = _Pauses()


@contextmanager
def paused_collector() -> Iterator[None]:
    """Holds the collector off inside the block, which must not wait for a server that may never answer."""
    if _pauses.depth == 0:
        gc.disable()
    _pauses.depth += 1
    try:
        yield
    finally:
        _pauses.depth -= 1
        if _pauses.depth == 0:
            gc.enable()


def freeze_survivors() -> None:
    """Moves what exists now out of the collector's sight, for good.

    Only after a first list has succeeded: cyclic garbage that exists at that moment is never collected, so the number
    of times must be bounded.
    """
    gc.freeze()
