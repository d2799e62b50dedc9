"""What can go wrong between this process and the API server, as types that callers can decide upon."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from controller.api.json import Json

_MESSAGE_LIMIT: Final = 1000
_EXCERPT_LIMIT: Final = 120

UNREACHABLE: Final = "ConnectionFailed"
"""Reason of a request that never left: no connection could be made, so that nothing was executed."""
LOST: Final = "ConnectionLost"
"""Reason of a request whose connection broke before the whole reply arrived: it may have been executed."""
TIMED_OUT: Final = "DeadlineExceeded"
"""Reason of a request whose deadline passed without a reply: it may have been executed."""
BROKEN: Final = "UndecodableReply"
"""Reason of a reply that is not what the Kubernetes API sends: a proxy's page, a torn or damaged line."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `details.causes` of a Kubernetes Status object; absent fields are empty."""

    reason: str = ""
    message: str = ""
    field: str = ""


class ApiError(Exception):
    """A request to the API server that did not succeed.

    Attributes:
        status: the HTTP status; 0 when no reply arrived.
        reason: the Status object's CamelCase reason, or one of this module's reasons.
        message: the server's own words, at most 1,000 characters.
        causes: the server's detailed causes.
        retry_after: seconds the server asked to wait; None when it did not say.
        request: method and path of the request, for logs; empty when unknown.
        repeated: whether an earlier attempt of the same call may have been executed already.
        in_stream: whether it came as an ERROR event within a watch that had been granted.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
        request: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message[:_MESSAGE_LIMIT]
        self.causes = causes
        self.retry_after = retry_after
        self.request = request
        self.repeated = False
        self.in_stream = False

    def __str__(self) -> str:
        """`GET /path: 404 NotFound: message`, leaving out what is unknown."""
        answer = " ".join(part for part in (str(self.status or ""), self.reason) if part)
        return ": ".join(part for part in (self.request, answer, self.message) if part)


class NotFound(ApiError):  # noqa: N818 - the names of the API's own reasons
    """404: neither this object nor, for a list, this kind exists."""


class AlreadyExists(ApiError):  # noqa: N818
    """409 with reason AlreadyExists: an object of this name is there."""


class Conflict(ApiError):  # noqa: N818
    """409: the object changed, or is another one, since it was read."""


class Gone(ApiError):  # noqa: N818
    """410: the requested resourceVersion or continue token left the server's window of history."""


class Invalid(ApiError):  # noqa: N818
    """422: the server understood the object and refuses it; `causes` name the fields."""


class Forbidden(ApiError):  # noqa: N818
    """403: our identity lacks a role, or admission refused."""


class Unauthorized(ApiError):  # noqa: N818
    """401: our credentials are missing, expired or unknown."""


class Throttled(ApiError):  # noqa: N818
    """429, or 503 and 504 that say when to come back; `retry_after` may still be None for a bare 429."""


class Unavailable(ApiError):  # noqa: N818
    """No connection, no reply in time, a reply that is not Kubernetes, or 5xx."""


class Terminal(Exception):  # noqa: N818
    """Raised by a reconciler for an error that must not be retried until something changes."""


class SetupError(Exception):
    """The process cannot know its API server: no usable kubeconfig and not in a pod."""


_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: Throttled,
}
_TOO_NEW: Final = "ResourceVersionTooLarge"
_PASSING: Final = frozenset({401, 404, 408, 409, 410, 429})
"""4xx that a later look or another attempt may well answer otherwise."""


def from_response(status: int, headers: Mapping[str, str], body: bytes, *, request: str = "") -> ApiError:
    """The error a reply with a non-success status stands for; never raises on a malformed body."""
    decoded = _decode(body)
    if decoded is None or decoded.get("kind") != "Status":
        excerpt = " ".join(body.decode("utf-8", "replace").split())[:_EXCERPT_LIMIT]
        decoded = {"message": f"not a Kubernetes Status: {excerpt}" if excerpt else "empty reply"}
    return from_status(decoded, status=status, retry_after=_seconds(headers), request=request)


def from_status(body: Json, *, status: int = 0, retry_after: float | None = None, request: str = "") -> ApiError:
    """The error a Status object stands for, as found in replies and in ERROR events of a watch.

    Args:
        body: the Status object.
        status: the HTTP status; 0 takes the one written in the body.
        retry_after: the Retry-After header in seconds; None takes `details.retryAfterSeconds`.
        request: method and path, for the text.
    """
    code = status or _integer(body.get("code")) or 500
    details = body.get("details")
    details = details if isinstance(details, dict) else {}
    wait = retry_after if retry_after is not None else _integer(details.get("retryAfterSeconds"))
    reason = str(body.get("reason") or "")
    return _type_of(code, reason, wait)(
        str(body.get("message") or ""),
        status=code,
        reason=reason,
        causes=tuple(_causes(details)),
        retry_after=wait,
        request=request,
    )


def is_expired(error: ApiError) -> bool:
    """Whether the resourceVersion we hold is useless, so that only a new list helps.

    Either it fell out of the history (410), or the server answers it does not know it yet although it waited
    (`ResourceVersionTooLarge`): a restored or lagging replica.
    """
    return isinstance(error, Gone) or any(cause.reason == _TOO_NEW for cause in error.causes)


def is_final(error: ApiError) -> bool:
    """Whether the same request will be refused again until somebody changes object, policy or role.

    Webhooks that deny without a code of their own are answered for with 400, policies with 403, 413 or 422.
    """
    return 400 <= error.status < 500 and error.status not in _PASSING


def _type_of(code: int, reason: str, wait: float | None) -> type[ApiError]:
    if code == 409 and reason == "AlreadyExists":
        return AlreadyExists
    if code in {503, 504} and wait is not None:
        return Throttled
    if code >= 500:
        return Unavailable
    return _BY_STATUS.get(code, ApiError)


def _decode(body: bytes) -> Json | None:
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _causes(details: Json) -> list[Cause]:
    listed = details.get("causes")
    return [
        Cause(str(entry.get("reason") or ""), str(entry.get("message") or ""), str(entry.get("field") or ""))
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict)
    ]


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After as seconds; HTTP allows a number or a date (RFC 9110, 10.2.3), measured against Date."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        due = parsedate_to_datetime(value)
        return max(0.0, (due - parsedate_to_datetime(headers.get("Date", ""))).total_seconds())
    except (TypeError, ValueError):
        return None
