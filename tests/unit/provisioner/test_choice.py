"""What is asked for next, and when nothing is for a while."""

from dataclasses import replace
from datetime import datetime

import pytest

from controller.api.claims import MACHINE, parse_claim
from provisioner.choice import next_choice
from provisioner.errors import ErrorKind, Fault
from provisioner.history import Failure, one_more
from provisioner.holds import Hold
from provisioner.offerings import Offering
from provisioner.policy import Policy
from provisioner.times import rfc3339
from provisioner.wish import Wish
from tests.unit.provisioner.builders import SIZE, at, claim, machine, seen

WISH = Wish((Offering(SIZE),), {}, {}, {})
FEW = Policy(launch_attempts=3, launch_rest=7200)


def after(failure: Failure, *, generation: int = 1) -> datetime | None:
    """When the next launch may be made after a failure at the claim's creation."""
    view = seen(machine(failure=failure), policy=FEW)
    claim = replace(parse_claim(machine(failure=failure), MACHINE), generation=generation)
    return next_choice(replace(view, claim=claim), WISH).after


def failed(kind: ErrorKind, spent: int) -> Failure:
    """So many failed launches of one class."""
    return Failure(spent, rfc3339(at(0)), kind, Offering(SIZE), spent=spent, generation=1)


@pytest.mark.parametrize("kind", [ErrorKind.POLICY, ErrorKind.QUOTA, ErrorKind.UNKNOWN])
def test_after_so_many_failed_launches_nothing_is_spent_for_a_long_while(kind: ErrorKind) -> None:
    before, then = after(failed(kind, 2)), after(failed(kind, 3))
    assert before is not None
    assert before <= at(FEW.retry_max)
    assert then == at(7200)


def test_credentials_that_were_expired_for_hours_hold_nothing_up_once_they_are_mended() -> None:
    failure, hours = None, 3 * 3600
    for attempt, second in enumerate(range(0, hours, int(FEW.retry_max)), start=1):
        refused, time = Fault(ErrorKind.PERMISSION), rfc3339(at(second))
        failure = one_more(claim(failure=failure), attempt, refused, Offering(SIZE), time=time, sizes={})
    assert failure is not None
    view = seen(machine(failure=failure), policy=FEW, after=hours - FEW.retry_max)
    assert next_choice(view, WISH).after == at(hours), "the longest pause after the last refusal"


def test_a_changed_spec_is_tried_at_once() -> None:
    assert after(failed(ErrorKind.POLICY, 3), generation=2) is None


def test_the_rest_ends() -> None:
    view = seen(machine(failure=failed(ErrorKind.POLICY, 3)), policy=FEW, after=7200)
    assert next_choice(view, WISH).after is None


def test_a_failure_that_was_noted_before_a_clock_was_set_back_holds_nothing_up() -> None:
    ahead = Failure(3, rfc3339(at(86400)), ErrorKind.POLICY, Offering(SIZE), spent=3, generation=1)
    assert after(ahead) is None
    full = replace(ahead, kind=ErrorKind.QUOTA, holds={"on-demand/region": Hold(ErrorKind.QUOTA, rfc3339(at(86400)))})
    assert after(full) is None


def test_what_was_not_asked_for_waits_for_its_quota_and_not_for_the_budget_of_launches() -> None:
    looked = Failure(3, rfc3339(at(0)), ErrorKind.QUOTA, Offering(SIZE), spent=3, generation=1, asked=False)
    assert after(looked) == at(120), "30 s, doubled for each of three looks in a row"
    assert after(replace(looked, asked=True)) == at(7200)
