"""When a request may be sent again: pure rules, applied by the client inside the caller's deadline.

The question is always the same: may the first attempt have been executed, and would a second do harm?
"""

import random
from dataclasses import dataclass
from typing import Final

from controller.api.json import Json, metadata_of
from controller.runtime.errors import UNREACHABLE, ApiError, Throttled, Unauthorized, Unavailable


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a kind of request tolerates.

    Attributes:
        lost: it may be repeated although the lost attempt may have been executed.
        refused: it may be repeated after the server asked to come back later.
    """

    lost: bool
    refused: bool


ALWAYS: Final = Repeat(lost=True, refused=True)
"""Reads, forced applies and merges without resourceVersion, deletes bound to a uid, creates with a fixed name."""

NEVER: Final = Repeat(lost=False, refused=False)
"""Compare-and-set writes: after a doubtful attempt the object must be read again."""

ATTEMPTS: Final = 10
"""Attempts of one call, whatever its deadline: further ones are the caller's, at the caller's pace."""

ATTEMPT_SHARE: Final = 0.6
"""The part of a call's time that one attempt may take, so that a second one on a new connection fits."""

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 2.0


def for_patch(body: Json) -> Repeat:
    """Rules of an apply or merge patch: one that carries a resourceVersion is a compare-and-set."""
    return NEVER if metadata_of(body).get("resourceVersion") else ALWAYS


def for_create(body: Json, subresource: str) -> Repeat:
    """Rules of a POST: safe only when the name is ours, so that a second one meets AlreadyExists.

    A POST to a subresource is an action; a 429 from `pods/eviction` is an answer about disruption budgets and
    must reach the caller.
    """
    return ALWAYS if metadata_of(body).get("name") and not subresource else NEVER


def for_delete(uid: str) -> Repeat:
    """Rules of a DELETE: without a uid a second one might hit a namesake created in between."""
    return ALWAYS if uid else NEVER


def delay_before_repeat(error: ApiError, repeat: Repeat, attempt: int, *, renewed: bool) -> float | None:
    """Seconds to wait before the next attempt, or None when the error is the caller's.

    Args:
        error: how this attempt failed.
        repeat: what the request tolerates.
        attempt: attempts made before this one; 0 for the first.
        renewed: the credentials were found changed after a 401 and not tried yet.
    """
    if attempt + 1 >= ATTEMPTS:
        return None
    if isinstance(error, Unauthorized):
        return 0.0 if renewed else None
    if isinstance(error, Throttled) and error.retry_after is not None and repeat.refused:
        return max(error.retry_after, _backoff(attempt))  # some servers ask to come back in 0 seconds
    if isinstance(error, Unavailable) and error.status == 0 and (error.reason == UNREACHABLE or repeat.lost):
        return _backoff(attempt)
    return None


def seconds_of_attempt(remaining: float, whole: float, repeat: Repeat) -> float:
    """How long one attempt may take of a call that has `remaining` of its `whole` seconds left."""
    return min(remaining, ATTEMPT_SHARE * whole) if repeat.lost else remaining


def _backoff(attempt: int) -> float:
    longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(attempt, 8))
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads replicas, guards nothing


def maybe_executed(error: ApiError) -> bool:
    """Whether the server may have carried out the attempt that failed so: no answer came, or a 5xx did."""
    return isinstance(error, (Unavailable, Throttled)) and error.reason != UNREACHABLE and error.status != 429


def covers(found: object, wanted: object) -> bool:
    """Whether `found` states everything `wanted` states; the server may have added defaults.

    Tells our own object from a namesake after a POST whose first reply was lost.
    """
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(covers(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(covers, found, wanted))
    return found == wanted
