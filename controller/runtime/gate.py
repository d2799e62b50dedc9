"""Who may see the metrics: remembered decisions, and bounds on how many are asked for.

Anybody may knock, so nothing a stranger sends makes this process ask the API server more than a little, and nothing
it sends drives out what is known of those who may come in.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Generic, TypeAlias, TypeVar

from controller.runtime import logs
from controller.runtime.errors import ApiError, Forbidden
from controller.runtime.limiter import TokenBucket

ALLOWED_SECONDS: Final = 60.0
"""How long a yes is good for without asking again, and so how long a withdrawn right still opens."""

REFUSED_SECONDS: Final = 10.0
"""How long a no is: a right that was just granted takes effect within this."""

OUTAGE_SECONDS: Final = 900.0
"""How long a yes is good for while the API server cannot be asked: metrics are wanted most then."""

ASK_SECONDS: Final = 5.0
"""How long one decision may take; half of the time Prometheus waits for a scrape by default."""

PEER_PAUSE_SECONDS: Final = 1.0
"""Pause of a peer after a no, before another token it sends is asked about."""

ASKED_AT_ONCE: Final = 4
ASKED_RATE: Final = 10.0
ASKED_BURST: Final = 20
"""Strangers' tokens asked about at once, per second in the long run, and at once after a quiet time."""

MOST_ALLOWED: Final = 64
MOST_REFUSED: Final = 256
"""Decisions remembered of each kind; the oldest goes first."""

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the caller is told.

    Attributes:
        status: OK, UNAUTHORIZED (the token is nobody's), FORBIDDEN, or SERVICE_UNAVAILABLE (it could not be found out).
        text: why, for whoever looks into a scrape that fails.
    """

    status: HTTPStatus
    text: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the metrics are shown."""
        return self.status is HTTPStatus.OK


Ask: TypeAlias = Callable[[str], Awaitable[Decision]]
"""Token to decision, by asking somebody; raises ApiError when there is none to be had."""

NO_TOKEN: Final = Decision(
    HTTPStatus.UNAUTHORIZED, "no bearer token: metrics are shown to service accounts that may get /metrics"
)
BUSY: Final = Decision(HTTPStatus.SERVICE_UNAVAILABLE, "too many unknown tokens at once, try again in a few seconds")
UNKNOWN: Final = Decision(
    HTTPStatus.SERVICE_UNAVAILABLE, "the API server cannot be asked whose token this is, try again later"
)
POWERLESS: Final = Decision(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "this program lacks the right to ask whose token this is: it has to create tokenreviews and subjectaccessreviews",
)

V = TypeVar("V")


class _Recent(Generic[V]):
    """A bounded memory: the oldest entry makes room."""

    __slots__ = ("_entries", "_most")

    def __init__(self, most: int) -> None:
        self._entries: dict[bytes, V] = {}
        self._most = most

    def get(self, key: bytes) -> V | None:
        return self._entries.get(key)

    def put(self, key: bytes, value: V) -> None:
        self._entries.pop(key, None)
        self._entries[key] = value
        if len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]

    def drop(self, key: bytes) -> None:
        self._entries.pop(key, None)


@dataclass(slots=True)
class _Yes:
    """A token that may come in: until when unasked, and until when at all."""

    fresh: float
    usable: float


class Gate:
    """Decides about bearer tokens; keeps digests of them only.

    Args:
        ask: how a decision is found.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._allowed: _Recent[_Yes] = _Recent(MOST_ALLOWED)
        self._refused: _Recent[tuple[float, Decision]] = _Recent(MOST_REFUSED)
        self._pauses: _Recent[float] = _Recent(MOST_REFUSED)
        self._bucket = TokenBucket(ASKED_RATE, ASKED_BURST)
        self._asking = 0
        self._trouble = ""

    async def decide(self, token: str, peer: str) -> Decision:
        """Whether the bearer of the token may see the metrics.

        Args:
            token: as sent; empty when none was.
            peer: the address it came from.
        """
        if not token:
            return NO_TOKEN
        key, now = hashlib.sha256(token.encode()).digest(), asyncio.get_running_loop().time()
        known = self._allowed.get(key)
        if known is not None and now < known.usable:
            return Decision(HTTPStatus.OK) if now < known.fresh else await self._refresh(known, token, key, now)
        remembered = self._refused.get(key)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        return await self._meet(token, key, peer, now)

    async def _refresh(self, known: _Yes, token: str, key: bytes, now: float) -> Decision:
        """Asks again about one who was let in before; nobody else's questions can be in the way of this one."""
        known.fresh = min(now + REFUSED_SECONDS, known.usable)  # meanwhile, and when nobody answers, the old yes holds
        decision = await self._found_out(token)
        if decision.status is HTTPStatus.SERVICE_UNAVAILABLE:
            return Decision(HTTPStatus.OK)
        self._remember(key, decision)
        return decision

    async def _meet(self, token: str, key: bytes, peer: str, now: float) -> Decision:
        """Asks about a stranger, if there is room for another question."""
        address = peer.encode()
        if self._asking >= ASKED_AT_ONCE or now < (self._pauses.get(address) or 0.0) or not self._bucket.take(now):
            return BUSY
        self._asking += 1
        try:
            decision = await self._found_out(token)
        finally:
            self._asking -= 1
        if decision.status is not HTTPStatus.SERVICE_UNAVAILABLE:
            self._remember(key, decision)
        if not decision.allowed:
            self._pauses.put(address, asyncio.get_running_loop().time() + PEER_PAUSE_SECONDS)
        return decision

    def _remember(self, key: bytes, decision: Decision) -> None:
        now = asyncio.get_running_loop().time()
        if decision.allowed:
            self._allowed.put(key, _Yes(now + ALLOWED_SECONDS, now + OUTAGE_SECONDS))
            self._refused.drop(key)
        else:
            self._allowed.drop(key)
            self._refused.put(key, (now + REFUSED_SECONDS, decision))

    async def _found_out(self, token: str) -> Decision:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                decision = await self._ask(token)
        except (ApiError, TimeoutError) as error:
            self._complain(f"{type(error).__name__}: {error}")
            return POWERLESS if isinstance(error, Forbidden) else UNKNOWN
        self._trouble = ""
        return decision

    def _complain(self, trouble: str) -> None:
        """One line for each kind of trouble, however many callers meet it."""
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("who asks for metrics cannot be found out: %s", trouble)


def bearer_token(header: str) -> str:
    """The token in an Authorization header; empty when there is none, or nothing that can be one (RFC 6750: ASCII)."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.isascii() else ""
