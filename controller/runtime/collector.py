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
        self.freeze = False


_pauses = _Pauses()


@contextmanager
def paused_collector(*, freeze: bool) -> Iterator[None]:
    """Holds the collector off inside the block.

    Args:
        freeze: move what exists at the end out of the collector's sight, for good. For first lists only: cyclic
            garbage that happens to exist at that moment is never collected, so the number of times must be bounded.
    """
    if _pauses.depth == 0:
        gc.disable()
    _pauses.depth += 1
    try:
        yield
    finally:
        _pauses.depth -= 1
        _pauses.freeze = _pauses.freeze or freeze
        if _pauses.depth == 0:
            if _pauses.freeze:
                gc.freeze()
            _pauses.freeze = False
            gc.enable()
