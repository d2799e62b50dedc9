"""The authority's life as a state in one Secret, and the next step from it; pure but for making keys.

A change of authority takes three steps, none of which leaves a moment in which somebody trusts the wrong one:
publish the new certificate beside the old, sign with the new key once everyone who calls trusts it, drop the old one
once nothing signed by it can still be in use. Any replica may take a step; the Secret's resourceVersion decides which.
"""

import base64
import binascii
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


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things last.

    Attributes:
        authority: of the authority; it is replaced after two thirds.
        leaf: of a serving certificate; likewise.
        settle: how long a published authority waits before it signs, so that every API server has noticed.
    """

    authority: timedelta = field(default=timedelta(days=365))
    leaf: timedelta = field(default=timedelta(days=1))
    settle: timedelta = field(default=timedelta(minutes=10))


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs now, who will, and who did.

    Attributes:
        current: signs leaves.
        upcoming: is published and will sign; None outside of a change.
        retired: certificate whose leaves may still be in use, PEM; empty outside of a change.
        promoted: when `current` took over from `retired`.
    """

    current: Pair
    upcoming: Pair | None = None
    retired: bytes = b""
    promoted: datetime | None = None

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
    expired = validity(authority.current.certificate).ends <= now
    if authority.upcoming is not None:
        certificate = authority.upcoming.certificate
        settled = validity(certificate).begins + lifetimes.settle <= now and is_published(certificate)
        return _promote(authority, authority.upcoming, now) if settled or expired else None
    if expired:
        return Authority(new_authority(now, lifetimes.authority))
    if validity(authority.current.certificate).renewal <= now:
        return replace(authority, upcoming=new_authority(now, lifetimes.authority))
    if authority.retired and _retirement_ends(authority, lifetimes) <= now:
        return replace(authority, retired=b"", promoted=None)
    return None


def next_step_due(authority: Authority, lifetimes: Lifetimes) -> datetime:
    """When `advance` may have something to do, if nothing changes before."""
    if authority.upcoming is not None:
        return validity(authority.upcoming.certificate).begins + lifetimes.settle
    due = validity(authority.current.certificate).renewal
    return min(due, _retirement_ends(authority, lifetimes)) if authority.retired else due


def decode(data: Mapping[str, str]) -> Authority | None:
    """The state in the `data` of a Secret; None when it is missing something or damaged, as if it were not there."""
    try:
        raw = {name: base64.b64decode(value, validate=True) for name, value in data.items()}
        current = Pair(raw[CERTIFICATE], raw[KEY])
        upcoming = Pair(raw[UPCOMING_CERTIFICATE], raw[UPCOMING_KEY]) if UPCOMING_CERTIFICATE in raw else None
        promoted = datetime.fromisoformat(raw[PROMOTED].decode()) if PROMOTED in raw else None
        retired = raw.get(RETIRED_CERTIFICATE, b"")
        if retired:
            validity(retired)
    except (KeyError, ValueError, TypeError, AttributeError, binascii.Error):
        return None
    if not is_sound(current) or (upcoming is not None and not is_sound(upcoming)):
        return None
    if promoted is not None and promoted.tzinfo is None:
        return None
    return Authority(current, upcoming, retired, promoted)


def encode(authority: Authority) -> dict[str, str]:
    """The state as the `data` of a Secret."""
    raw = {CERTIFICATE: authority.current.certificate, KEY: authority.current.key}
    if authority.upcoming is not None:
        raw |= {UPCOMING_CERTIFICATE: authority.upcoming.certificate, UPCOMING_KEY: authority.upcoming.key}
    if authority.retired:
        raw[RETIRED_CERTIFICATE] = authority.retired
    if authority.promoted is not None:
        raw[PROMOTED] = authority.promoted.isoformat().encode()
    return {name: base64.b64encode(value).decode() for name, value in raw.items()}


def _promote(authority: Authority, upcoming: Pair, now: datetime) -> Authority:
    return Authority(upcoming, None, authority.current.certificate, now)


def _retirement_ends(authority: Authority, lifetimes: Lifetimes) -> datetime:
    since = authority.promoted or validity(authority.current.certificate).begins
    return since + lifetimes.leaf + SKEW
