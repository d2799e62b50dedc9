"""The two webhooks for Workspaces: one completes and judges, one judges what will be stored.

The mutating webhook runs before the schema is checked and refuses with everything it finds; schema errors would
otherwise hide ours. The validating one has the last word, after every other mutating webhook.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controller.api.json import Json, is_deleting
from controller.api.resources import WORKSPACES
from controller.planning.admission.defaults import apply_defaults, defaults
from controller.planning.admission.validation import Findings, validate, validate_update
from controller.planning.site import Site
from webhook.review import Review, Verdict

CREATE: Final = "CREATE"
UPDATE: Final = "UPDATE"
ALLOWED: Final = Verdict()


@dataclass(frozen=True, slots=True)
class Judge:
    """Answers reviews of Workspaces.

    Attributes:
        site: gives the installation as it is known now; it may change while the program runs.
    """

    site: Callable[[], Site]

    def mutate(self, review: Review) -> Verdict:
        """Fills in what was left out, and refuses what cannot run even so."""
        return self._answer(review, self._complete)

    def validate(self, review: Review) -> Verdict:
        """Refuses what cannot run."""
        return self._answer(review, lambda obj, old: _verdict(self._judge(obj, old)))

    def _answer(self, review: Review, decide: Callable[[Json, Json | None], Verdict]) -> Verdict:
        if review.operation not in (CREATE, UPDATE) or review.subresource:
            return ALLOWED
        if (review.group, review.kind) != (WORKSPACES.group, WORKSPACES.kind):
            return Verdict(warnings=(f"the webhook of KAITO judges {WORKSPACES.kind} objects only",))
        if review.obj is None:
            return Verdict(unreadable=f"the AdmissionReview of a {review.operation} has no object")
        if is_deleting(review.obj):
            return ALLOWED
        if review.operation == UPDATE and review.old is None:
            return Verdict(unreadable="the AdmissionReview of an UPDATE has no oldObject")
        return decide(review.obj, review.old if review.operation == UPDATE else None)

    def _complete(self, obj: Json, old: Json | None) -> Verdict:
        operations, notes = defaults(obj, self.site(), old=old)
        return _verdict(self._judge(apply_defaults(obj, operations), old), operations, notes)

    def _judge(self, obj: Json, old: Json | None) -> Findings:
        if old is None:
            return validate(obj, self.site())
        return validate_update(old, obj, self.site())


def _verdict(findings: Findings, operations: list[Json] | None = None, notes: tuple[str, ...] = ()) -> Verdict:
    return Verdict(findings.problems, (*notes, *findings.warnings), tuple(operations or ()))
