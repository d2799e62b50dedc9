"""The authority's life as a state in one Secret, and the next step from it; pure but for making keys.

A change of authority takes three steps, none of which leaves a moment in which somebody trusts the wrong one:
publish the new certificate beside the old, sign with the new key once everyone who calls trusts it, drop the old one
once nothing signed by it can still be in use. Any replica may take a step; the Secret's resourceVersion decides which.
"""

import base64
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from webhook.certificates.issuing import SKEW, Pair, is_sound, new_authority, validity

CERTIFICATE: Final = "ca.crt"
KEY: Final = "ca.key"
UPCOMING_CERTIFICATE: Final = "next.crt"
UPCOMING_KEY: Final = "next.key"
RETIRED_CERTIFICATE: Final = "retired.crt"
PROMOTED: Final = "promoted-at"
PUBLISHED: Final = "published-at"

KEYS: Final = (CERTIFICATE, KEY, UPCOMING_CERTIFICATE, UPCOMING_KEY, RETIRED_CERTIFICATE, PROMOTED, PUBLISHED)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things last.

    Attributes:
        authority: of the authority; it is replaced after two thirds.
        leaf: of a serving certificate; likewise.
        settle: how long a published authority waits before it signs, so that every API server has noticed; ten
            minutes more than that takes, since replicas' clocks may differ by as much.
    """

    authority: timedelta = field(default=timedelta(days=365))
    leaf: timedelta = field(default=timedelta(days=1))
    settle: timedelta = field(default=timedelta(minutes=20))


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs now, who will, and who did.

    Attributes:
        current: signs leaves.
        upcoming: is published and will sign; None outside of a change.
        retired: certificate whose leaves may still be in use, PEM; empty outside of a change.
        promoted: when `current` took over from `retired`.
        published: when every caller was first seen to trust `upcoming`.
    """

    current: Pair
    upcoming: Pair | None = None
    retired: bytes = b""
    promoted: datetime | None = None
    published: datetime | None = None

    @property
    def bundle(self) -> bytes:
        """Everything callers have to trust, PEM."""
        upcoming = self.upcoming.certificate if self.upcoming else b""
        return self.current.certificate + upcoming + self.retired


def advance(
    authority: Authority | None, now: datetime, lifetimes: Lifetimes, is_published: Callable[[bytes], bool]
) -> Authority | None:
    """The next state; None when it is not yet time for one.

    Args:
        authority: the state; None when there is none or it cannot be used.
        now: the present.
        lifetimes: how long things last.
        is_published: whether every caller trusts a certificate.
    """
    if authority is None:
        return Authority(new_authority(now, lifetimes.authority))
    current = validity(authority.current.certificate)
    expired = current.ends <= now
    if current.accepted_from > now:
        return Authority(new_authority(now, lifetimes.authority), None, authority.current.certificate, now)
    if authority.upcoming is not None:
        return _change(authority, authority.upcoming, now, lifetimes, is_published, expired=expired)
    if expired:
        return Authority(new_authority(now, lifetimes.authority))
    if current.renewal <= now:
        return replace(authority, upcoming=new_authority(now, lifetimes.authority))
    if authority.retired and _retirement_ends(authority, lifetimes) <= now:
        return replace(authority, retired=b"", promoted=None)
    return None


def settled(
    authority: Authority | None, now: datetime, lifetimes: Lifetimes, is_published: Callable[[bytes], bool]
) -> Authority:
    """The state after every step that is due; arguments as of `advance`."""
    step = advance(authority, now, lifetimes, is_published)
    while step is not None:
        authority, step = step, advance(step, now, lifetimes, is_published)
    assert authority is not None, "advance makes an authority where there is none"
    return authority


def next_step_due(authority: Authority, lifetimes: Lifetimes) -> datetime:
    """When `advance` may have something to do, if nothing changes before."""
    current = validity(authority.current.certificate)
    if authority.upcoming is not None:
        return authority.published + lifetimes.settle if authority.published is not None else current.ends
    return min(current.renewal, _retirement_ends(authority, lifetimes)) if authority.retired else current.renewal


def decode(data: Mapping[str, str]) -> Authority | None:
    """The state in the `data` of a Secret; None when it has no sound current authority.

    What else is missing something or damaged is left out: it serves a change of authority, which can begin anew.
    """
    raw = _raw(data)
    current = Pair(raw.get(CERTIFICATE, b""), raw.get(KEY, b""))
    if not is_sound(current):
        return None
    upcoming = Pair(raw.get(UPCOMING_CERTIFICATE, b""), raw.get(UPCOMING_KEY, b""))
    retired = raw.get(RETIRED_CERTIFICATE, b"")
    kept = is_sound(upcoming)
    return Authority(
        current,
        upcoming if kept else None,
        retired if _is_certificate(retired) else b"",
        _moment(raw.get(PROMOTED)),
        _moment(raw.get(PUBLISHED)) if kept else None,
    )


def is_intact(data: Mapping[str, str], authority: Authority) -> bool:
    """Whether the `data` of a Secret say the state and nothing else of ours."""
    return encode(authority) == {name: value for name, value in data.items() if name in KEYS}


def rebuilt(data: Mapping[str, str], now: datetime, lifetimes: Lifetimes) -> Authority:
    """A new authority where the current one lost its key; its certificate stays trusted, for leaves still in use."""
    lost = _raw(data).get(CERTIFICATE, b"")
    fresh = Authority(new_authority(now, lifetimes.authority))
    return replace(fresh, retired=lost, promoted=now) if _is_certificate(lost) else fresh


def encode(authority: Authority) -> dict[str, str]:
    """The state as the `data` of a Secret."""
    raw = {CERTIFICATE: authority.current.certificate, KEY: authority.current.key}
    if authority.upcoming is not None:
        raw |= {UPCOMING_CERTIFICATE: authority.upcoming.certificate, UPCOMING_KEY: authority.upcoming.key}
    if authority.retired:
        raw[RETIRED_CERTIFICATE] = authority.retired
    if authority.promoted is not None:
        raw[PROMOTED] = authority.promoted.isoformat().encode()
    if authority.published is not None:
        raw[PUBLISHED] = authority.published.isoformat().encode()
    return {name: base64.b64encode(value).decode() for name, value in raw.items()}


def _change(
    authority: Authority,
    upcoming: Pair,
    now: datetime,
    lifetimes: Lifetimes,
    is_published: Callable[[bytes], bool],
    *,
    expired: bool,
) -> Authority | None:
    """The next state while a successor waits: it signs at once when nobody else can, else once the news has settled."""
    promoted = Authority(upcoming, None, authority.current.certificate, now)
    if expired:
        return promoted
    if not is_published(upcoming.certificate):
        return None
    if authority.published is None or authority.published > now:
        return replace(authority, published=now)
    return promoted if authority.published + lifetimes.settle <= now else None


def _raw(data: Mapping[str, str]) -> dict[str, bytes]:
    """What can be read of the `data` of a Secret."""
    raw: dict[str, bytes] = {}
    for name, value in data.items():
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            raw[name] = base64.b64decode(value, validate=True)
    return raw


def _is_certificate(pem: bytes) -> bool:
    try:
        validity(pem)
    except ValueError:
        return False
    return True


def _moment(text: bytes | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((text or b"").decode())
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _retirement_ends(authority: Authority, lifetimes: Lifetimes) -> datetime:
    since = authority.promoted or validity(authority.current.certificate).begins
    return since + lifetimes.leaf + SKEW
