"""What went wrong in the cloud, as a value: one total function from a reply to a kind of fault.

Azure answers in three envelopes, wraps causes several levels deep, and embeds some of them only as text. Codes and
texts are those of the AKS, ARM and Compute error references on Microsoft Learn.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from controller.api.messages import shorten
from controller.api.reasons import Reason

TEXT_LIMIT: Final = 700
"""Characters of the cloud's own words that are kept."""

_MAX_DEPTH: Final = 24
_MAX_ENTRIES: Final = 100


class ErrorKind(StrEnum):
    """The classes of fault that are handled differently."""

    POOL_NOT_FOUND = "pool_not_found"
    CLUSTER_NOT_FOUND = "cluster_not_found"
    EXISTS = "exists"
    QUOTA = "quota"
    SKU = "sku"
    CAPACITY = "capacity"
    POLICY = "policy"
    PERMISSION = "permission"
    SUBNET = "subnet"
    POOL_LIMIT = "pool_limit"
    INVALID = "invalid"
    BOOTSTRAP = "bootstrap"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


REASONS: Final[Mapping[ErrorKind, Reason]] = {
    ErrorKind.POOL_NOT_FOUND: Reason.INSTANCE_GONE,
    ErrorKind.CLUSTER_NOT_FOUND: Reason.CLUSTER_NOT_FOUND,
    ErrorKind.EXISTS: Reason.NAME_CONFLICT,
    ErrorKind.QUOTA: Reason.QUOTA_EXCEEDED,
    ErrorKind.SKU: Reason.SKU_NOT_AVAILABLE,
    ErrorKind.CAPACITY: Reason.ALLOCATION_FAILED,
    ErrorKind.POLICY: Reason.POLICY_DENIED,
    ErrorKind.PERMISSION: Reason.UNAUTHORIZED,
    ErrorKind.SUBNET: Reason.SUBNET_FULL,
    ErrorKind.POOL_LIMIT: Reason.POOL_LIMIT_REACHED,
    ErrorKind.INVALID: Reason.INVALID_CONFIGURATION,
    ErrorKind.BOOTSTRAP: Reason.LAUNCH_FAILED,
    ErrorKind.CONFLICT: Reason.OPERATION_CONFLICT,
    ErrorKind.THROTTLED: Reason.THROTTLED,
    ErrorKind.UNAVAILABLE: Reason.CLOUD_UNAVAILABLE,
    ErrorKind.UNKNOWN: Reason.LAUNCH_FAILED,
}
"""The reason each kind is shown under."""

TRANSIENT: Final = frozenset({ErrorKind.CONFLICT, ErrorKind.THROTTLED, ErrorKind.UNAVAILABLE})
"""Kinds that say nothing about the request: the same call is repeated later and counts as no attempt."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One classified fault.

    Attributes:
        kind: what to do about it.
        code: the cloud's own code that decided the kind; empty when there was none.
        text: the cloud's own words on one line, at most 700 characters.
    """

    kind: ErrorKind
    code: str = ""
    text: str = ""

    @property
    def reason(self) -> Reason:
        """The reason this fault is shown under."""
        return REASONS[self.kind]

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed a moment later."""
        return self.kind in TRANSIENT

    @property
    def steady(self) -> "Fault":
        """The fault without what differs from reply to reply, so that showing it again is no change.

        A passing fault keeps none of the cloud's words: they count down seconds. The others lose identifiers and times.
        """
        return replace(self, text="" if self.transient else " ".join(_VARYING.sub(" ", self.text).split()))


_VARYING: Final = re.compile(
    r"\b(?:trace|correlation|request|operation|activity|tracking) ?id:? ?['\"]?[0-9a-f][0-9a-f-]{7,}['\"]?[,.;]?"
    r"|\btimestamp:? ?['\"]?\d{4}-\d\d-\d\d[ T][\d:.]+Z?['\"]?[,.;]?",
    re.IGNORECASE,
)


class CloudError(Exception):
    """A call to the cloud failed.

    Attributes:
        fault: the classified cause.
        status: HTTP status; 0 when there was no reply.
        retry_after: seconds the cloud asked us to wait; None when it did not say.
    """

    def __init__(self, fault: Fault, *, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(f"{fault.reason} (HTTP {status}, {fault.code or 'no code'}): {fault.text}")
        self.fault, self.status, self.retry_after = fault, status, retry_after

    @property
    def kind(self) -> ErrorKind:
        """The kind of the fault."""
        return self.fault.kind


_CODES: Final[Mapping[str, ErrorKind]] = {
    code: kind
    for kind, codes in {
        ErrorKind.QUOTA: "quotaexceeded errcode_insufficientvcpuquota",
        ErrorKind.SKU: "skunotavailable vmsizenotsupported",
        ErrorKind.CAPACITY: "allocationfailed zonalallocationfailed overconstrainedallocationrequest "
        "overconstrainedzonalallocationrequest",
        ErrorKind.POLICY: "requestdisallowedbypolicy readonlydisabledsubscription scopelocked",
        ErrorKind.PERMISSION: "authorizationfailed linkedauthorizationfailed authenticationfailed "
        "invalidauthenticationtoken expiredauthenticationtoken invalidauthenticationtokentenant",
        ErrorKind.CLUSTER_NOT_FOUND: "subscriptionnotfound resourcegroupnotfound",
        ErrorKind.SUBNET: "subnetisfull insufficientsubnetsize",
        ErrorKind.POOL_LIMIT: "maxagentpoolcountreached",
        ErrorKind.INVALID: "invalidparameter invalidrequestcontent propertychangenotallowed agentpoolapisnotsupported "
        "cannottaintallagentpools nodeinitializationtaintsfeaturenotsupported k8sversionnotsupported "
        "agentpoolk8sversionnotsupported invalidapiversionparameter noregisteredproviderfound invalidresourcetype "
        "missingsubscriptionregistration",
        ErrorKind.BOOTSTRAP: "vmextensionprovisioningerror vmextensionprovisioningtimeout nodesnotready "
        "k8sagentpoolnodesnotready",
        ErrorKind.CONFLICT: "conflict anotheroperationinprogress operationpreempted operationpreemptedbydelete "
        "clusterstopped managedclusterstopped",
        ErrorKind.THROTTLED: "throttled subscriptionrequeststhrottled toomanyrequests",
    }.items()
    for code in codes.split()
}
_VAGUE_CODES: Final[Mapping[str, ErrorKind]] = {
    "internalservererror": ErrorKind.UNAVAILABLE,
    "internaloperationerror": ErrorKind.UNAVAILABLE,
    "servertimeout": ErrorKind.UNAVAILABLE,
    "serviceunavailable": ErrorKind.UNAVAILABLE,
    "gatewaytimeout": ErrorKind.UNAVAILABLE,
}
_EXTENSION_PREFIX: Final = "vmextensionerror_"
_TEXTS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"\bAADSTS\d+", ErrorKind.PERMISSION),
        (r"cores quota|insufficient vcpu quota|exceeding approved [^.]{1,80} quota|LowPriorityCores", ErrorKind.QUOTA),
        (
            r"is not supported for subscription|is not allowed in your subscription|is currently not available in",
            ErrorKind.SKU,
        ),
        (r"sufficient capacity", ErrorKind.CAPACITY),
        (r"power ?state\W{0,3}(code\W{0,3})?stopped|\bstopped state", ErrorKind.CONFLICT),
        (r"\b(cluster|pool)\b[^.]{0,120}\bis (currently |already )?(stopp(ed|ing)|not running)\b", ErrorKind.CONFLICT),
        (r"too many requests|request limit has been exceeded", ErrorKind.THROTTLED),
        (r"in[- ]progress|canceled by a later operation|another (agentpool )?operation", ErrorKind.CONFLICT),
        (r"maximum (number|count) of (agent|node) ?pools", ErrorKind.POOL_LIMIT),
        (r"subnet [^.]{0,120}(is full|not enough|does not have enough)", ErrorKind.SUBNET),
    )
)
_EMBEDDED_CODE: Final = re.compile(r'Code="([A-Za-z_]{2,60})"')
_CHILDREN: Final = ("error", "provisioningError", "status", "properties", "innererror", "details")


def classify(status: int, body: object) -> Fault:
    """The fault a reply states. Total: any status and any decoded body give an answer.

    Args:
        status: HTTP status; 0 for a failure read from a pool's own state.
        body: the decoded JSON body, a provisioningError, or None when there was nothing readable.
    """
    pairs = list(_pairs(body))
    text = shorten(": ".join(part for part in _headline(pairs) if part), TEXT_LIMIT)
    if status in _BY_STATUS_FIRST:
        return Fault(_BY_STATUS_FIRST[status], _first_code(pairs), text)
    if status == 404:
        return Fault(_not_found(pairs), _first_code(pairs), text)
    told, said = _by_codes(pairs), _by_texts(pairs)
    if told is not None and (said is None or said in TRANSIENT or told[0] not in TRANSIENT):
        return Fault(*told, text)
    if said is not None:
        return Fault(said, _first_code(pairs), text)
    for code, _ in reversed(pairs):
        if (kind := _VAGUE_CODES.get(code.lower())) is not None:
            return Fault(kind, code, text)
    return Fault(_by_status(status), _first_code(pairs), text)


_BY_STATUS_FIRST: Final[Mapping[int, ErrorKind]] = {412: ErrorKind.EXISTS, 429: ErrorKind.THROTTLED}


def _not_found(pairs: list[tuple[str, str]]) -> ErrorKind:
    """Only the resource provider's own code says the pool is gone; a bare 404 may be a proxy's."""
    codes = {code.lower() for code, _ in pairs}
    if codes & {"notfound", "agentpoolnotfound"}:
        return ErrorKind.POOL_NOT_FOUND
    return ErrorKind.CLUSTER_NOT_FOUND if codes - {""} else ErrorKind.UNAVAILABLE


def _by_codes(pairs: list[tuple[str, str]]) -> tuple[ErrorKind, str] | None:
    """The innermost known code, and its kind."""
    return next(((kind, code) for code, _ in reversed(pairs) if (kind := _by_code(code)) is not None), None)


def _by_texts(pairs: list[tuple[str, str]]) -> ErrorKind | None:
    """The kind the words speak of; they outweigh a code that says no more than `not now`."""
    for pattern, kind in _TEXTS:
        if any(pattern.search(message) for _, message in pairs):
            return kind
    return None


def _by_code(code: str) -> ErrorKind | None:
    lowered = code.lower()
    return ErrorKind.BOOTSTRAP if lowered.startswith(_EXTENSION_PREFIX) else _CODES.get(lowered)


def _by_status(status: int) -> ErrorKind:
    if status in (401, 403):
        return ErrorKind.PERMISSION
    if status == 409:
        return ErrorKind.CONFLICT
    if status == 408 or status >= 500:
        return ErrorKind.UNAVAILABLE
    return ErrorKind.INVALID if 400 <= status < 500 else ErrorKind.UNKNOWN


def _headline(pairs: list[tuple[str, str]]) -> tuple[str, str]:
    """The innermost entry that has words: it is the cause, what stands around it only wraps it."""
    for code, message in reversed(pairs):
        if message:
            return code, message
    return (pairs[-1][0], "") if pairs else ("", "")


def _first_code(pairs: list[tuple[str, str]]) -> str:
    return next((code for code, _ in reversed(pairs) if code), "")


def _pairs(body: object) -> Iterator[tuple[str, str]]:
    """(code, message) of the body and everything nested in it, outermost first, bounded in depth and number."""
    level = [body]
    for _ in range(_MAX_DEPTH):
        for entry in level:
            if isinstance(entry, dict):
                # Microsoft Entra answers in OAuth's envelope (RFC 6749, 5.2).
                code = _text(entry.get("code")) or _text(entry.get("error"))
                message = _text(entry.get("message")) or _text(entry.get("error_description"))
                if code or message:
                    yield code, message
                yield from ((embedded, "") for embedded in _EMBEDDED_CODE.findall(message)[:_MAX_DEPTH])
        level = [child for entry in level for child in _children(entry)][:_MAX_ENTRIES]


def _children(entry: object) -> list[Any]:
    if isinstance(entry, list):
        return entry[:_MAX_ENTRIES]
    return [entry[key] for key in _CHILDREN if key in entry] if isinstance(entry, dict) else []


def _text(value: object) -> str:
    return value[:4096] if isinstance(value, str) else ""


_FIGURES: Final = re.compile(
    r"approved (?P<family>[\w ]{1,60}?) Cores quota.*?Current Limit: (?P<limit>\d+), Current Usage: (?P<used>\d+), "
    r"Additional Required: (?P<needed>\d+)",
    re.IGNORECASE | re.DOTALL,
)
_PRECHECK: Final = re.compile(
    r"vcpu quota requested (?P<needed>\d+), remaining (?P<left>\d+) for family (?P<family>\w{1,60})", re.IGNORECASE
)


def quota_figures(text: str) -> str:
    """The numbers of a quota refusal in a few words; empty when the text states none."""
    if match := _FIGURES.search(text):
        return f"{match['family']} quota: {match['needed']} vCPU needed, {match['used']} of {match['limit']} used"
    if match := _PRECHECK.search(text):
        return f"{match['family']} quota: {match['needed']} vCPU needed, {match['left']} left"
    return ""
