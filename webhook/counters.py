"""What the webhook counts beyond the runtime's own metrics."""

from typing import Final

from controller.api.reasons import Reason
from controller.planning.admission.validation import RULES
from controller.runtime import metrics
from webhook.admission import CREATE, UPDATE
from webhook.review import Review, Verdict

_OPERATIONS: Final = (CREATE, UPDATE, "DELETE", "CONNECT")
_OTHER: Final = "OTHER"

_verdicts = metrics.counter(
    "kaito_admission_verdicts_total",
    "Admission verdicts; the reason is that of the first problem, empty when allowed.",
    ("operation", "verdict", "reason"),
)
CERTIFICATE_EXPIRY: Final = metrics.gauge(
    "kaito_webhook_certificate_expiry_timestamp_seconds",
    "When the certificate expires, in seconds since 1970.",
    ("certificate",),
)
CONNECTIONS_REFUSED: Final = metrics.counter(
    "kaito_webhook_connections_refused_total", "Connections closed before TLS, all places of the peer being taken."
)
MALFORMED_REQUESTS: Final = metrics.counter(
    "kaito_webhook_malformed_requests_total", "Requests that are no HTTP; nothing of them is logged."
)
BUNDLE_OVERWRITES: Final = metrics.counter(
    "kaito_webhook_bundle_overwrites_total", "Times another writer replaced a published trust bundle."
)

for _operation in (CREATE, UPDATE):
    _verdicts.labels(_operation, "allowed", "")
    # A counter that first appears at 1 shows no increase: the first refusal would be invisible.
    for _reason in {Reason.FIELD_TYPE_INVALID, *(reason for rule in RULES for reason in rule.reasons)}:
        _verdicts.labels(_operation, "refused", str(_reason))


def count_verdict(review: Review, verdict: Verdict) -> None:
    """Counts one verdict under its operation and first reason."""
    operation = review.operation if review.operation in _OPERATIONS else _OTHER
    reason = "" if verdict.allowed else str(verdict.problems[0].reason) if verdict.problems else "BadRequest"
    _verdicts.labels(operation, "allowed" if verdict.allowed else "refused", reason).inc()
