"""The launch, row by row: what the cloud shows, what the claim then says, and what is done."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from provisioner.errors import ErrorKind, Fault
from provisioner.history import Failure
from provisioner.holds import Hold
from provisioner.launch import joined_nodes, launch
from provisioner.offerings import Offering
from provisioner.pools import Pool
from provisioner.steps import Action, CreatePool, DeletePool, RecordFailure
from provisioner.texts import HEADLINE
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import FOREIGN, SIZE, at, machine, node, pool, seen

QUOTA = Fault(ErrorKind.QUOTA, "QuotaExceeded", "exceeding approved Family Cores quota")
BUSY = Fault(ErrorKind.CONFLICT, "OperationNotAllowed", "another operation is in progress")


def failed(attempts: int = 1, when: float = 0.0, kind: ErrorKind = ErrorKind.QUOTA) -> Failure:
    """A remembered failure."""
    return Failure(attempts, rfc3339(at(when)), kind, Offering(SIZE), "QuotaExceeded", "no quota")


LOCKED: dict[str, Any] = {"setback": Fault(ErrorKind.POLICY, "ScopeLocked", "locked"), "setback_wait": 7.0}


@dataclass(frozen=True)
class Row:
    """One row of the state machine."""

    situation: str
    status: str
    reason: Reason
    claim: Json = field(default_factory=machine)
    pool: Pool | None = None
    does: type[Action] | None = None
    watch: bool = False
    view: dict[str, Any] = field(default_factory=dict)


ROWS = (
    Row("no pool yet", "Unknown", Reason.AGENT_POOL_CREATING, does=CreatePool, watch=True),
    Row("creating", "Unknown", Reason.AGENT_POOL_CREATING, pool=pool("Creating"), watch=True),
    Row("a word Azure may invent", "Unknown", Reason.AGENT_POOL_CREATING, pool=pool("Polishing"), watch=True),
    Row(
        "creating beyond the deadline",
        "False",
        Reason.LAUNCH_TIMEOUT,
        pool=pool("Creating"),
        watch=True,
        view={"after": 1801},
    ),
    Row("succeeded, no node yet", "True", Reason.LAUNCHED, pool=pool("Succeeded")),
    Row(
        "still creating, but the node is there",
        "True",
        Reason.LAUNCHED,
        pool=pool("Creating"),
        view={"nodes": [node()]},
    ),
    Row("failed, not counted yet", "False", Reason.LAUNCH_FAILED, pool=pool("Failed"), does=RecordFailure, watch=True),
    Row(
        "failed and says why",
        "False",
        Reason.ALLOCATION_FAILED,
        pool=pool("Failed", fault=Fault(ErrorKind.CAPACITY, "AllocationFailed", "no room")),
        does=RecordFailure,
        watch=True,
    ),
    Row(
        "failed and counted",
        "False",
        Reason.QUOTA_EXCEEDED,
        claim=machine(failure=failed()),
        pool=pool("Failed"),
        does=DeletePool,
        watch=True,
    ),
    Row(
        "failed again, the count is of the attempt before",
        "False",
        Reason.LAUNCH_FAILED,
        claim=machine(failure=failed()),
        pool=pool("Failed", attempt=2),
        does=RecordFailure,
        watch=True,
    ),
    Row("canceled", "False", Reason.LAUNCH_FAILED, pool=pool("Canceled"), does=RecordFailure, watch=True),
    Row(
        "its removal failed a moment ago",
        "False",
        Reason.POLICY_DENIED,
        claim=machine(failure=failed()),
        pool=pool("Failed"),
        view=LOCKED,
    ),
    Row(
        "its removal is asked for again",
        "False",
        Reason.QUOTA_EXCEEDED,
        claim=machine(failure=failed()),
        pool=pool("Failed"),
        does=DeletePool,
        watch=True,
        view={**LOCKED, "setback_wait": 0.0},
    ),
    Row(
        "its removal, which failed before, is under way",
        "False",
        Reason.POLICY_DENIED,
        claim=machine(failure=failed()),
        pool=pool("Deleting"),
        watch=True,
        view=LOCKED,
    ),
    Row(
        "failed, but the node is there",
        "True",
        Reason.LAUNCHED,
        pool=pool("Failed"),
        view={"nodes": [node()]},
    ),
    Row(
        "failed pool being removed",
        "False",
        Reason.QUOTA_EXCEEDED,
        claim=machine(failure=failed()),
        pool=pool("Deleting"),
        watch=True,
    ),
    Row("deleted by somebody", "Unknown", Reason.AGENT_POOL_DELETING, pool=pool("Deleting"), watch=True),
    Row("pause after a failure", "False", Reason.QUOTA_EXCEEDED, claim=machine(failure=failed()), view={"after": 29}),
    Row(
        "pause is over",
        "Unknown",
        Reason.AGENT_POOL_CREATING,
        claim=machine(failure=failed()),
        does=CreatePool,
        watch=True,
        view={"after": 30},
    ),
    Row(
        "the next size needs no pause",
        "Unknown",
        Reason.AGENT_POOL_CREATING,
        claim=machine(failure=failed(), sizes=(SIZE, "Standard_NC24ads_A100_v4")),
        does=CreatePool,
        watch=True,
    ),
    Row("somebody else's pool", "False", Reason.NAME_CONFLICT, pool=pool("Failed", **FOREIGN)),
    Row("no instance type named", "False", Reason.INVALID_CONFIGURATION, claim=machine(sizes=())),
    Row("the cloud is busy", "Unknown", Reason.OPERATION_CONFLICT, view={"fault": BUSY}),
    Row("cloud not read yet", "Unknown", Reason.AWAITING_RECONCILIATION, view={"known": False}),
    Row(
        "cloud cannot be read",
        "False",
        Reason.UNAUTHORIZED,
        view={"known": False, "blind": Fault(ErrorKind.PERMISSION, "AuthorizationFailed", "no")},
    ),
    Row(
        "the cloud falls silent during the launch",
        "Unknown",
        Reason.CLOUD_UNAVAILABLE,
        pool=pool("Creating"),
        watch=True,
        view={"blind": Fault(ErrorKind.UNAVAILABLE)},
    ),
    Row(
        "the right to read the cloud is lost during the launch",
        "False",
        Reason.UNAUTHORIZED,
        pool=pool("Creating"),
        watch=True,
        view={"blind": Fault(ErrorKind.PERMISSION)},
    ),
    Row(
        "creating the second time, the first one's node is still there",
        "Unknown",
        Reason.AGENT_POOL_CREATING,
        pool=pool("Creating", attempt=2, requested=600),
        watch=True,
        view={"nodes": [node()], "after": 700},
    ),
    Row(
        "launched before, cloud not read yet",
        "True",
        Reason.LAUNCHED,
        claim=machine(done=["Launched"]),
        view={"known": False},
    ),
    Row(
        "launched, pool being updated", "True", Reason.LAUNCHED, claim=machine(done=["Launched"]), pool=pool("Updating")
    ),
    Row(
        "launched, pool vanished before a node came",
        "Unknown",
        Reason.AGENT_POOL_CREATING,
        claim=machine(done=["Launched"]),
        does=CreatePool,
        watch=True,
    ),
    Row(
        "registered, pool vanished",
        "True",
        Reason.LAUNCHED,
        claim=machine(done=["Launched", "Registered"]),
    ),
    Row(
        "registered, pool failed later",
        "True",
        Reason.LAUNCHED,
        claim=machine(done=["Launched", "Registered"]),
        pool=pool("Failed"),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.situation)
def test_the_launch_state_machine(row: Row) -> None:
    step = launch(seen(row.claim, pool=row.pool, **row.view))
    (condition,) = step.conditions
    assert (condition.type, condition.status, condition.reason) == ("MachineLaunched", row.status, row.reason)
    assert (type(step.action) if step.action else None) is row.does
    assert step.watch is row.watch, "the cloud is read at the fast interval exactly while the pool is to change"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.situation)
def test_whatever_is_false_says_what_why_and_how_to_mend_it_in_one_short_line(row: Row) -> None:
    (condition,) = launch(seen(row.claim, pool=row.pool, **row.view)).conditions
    first = condition.message.partition("\n")[0]
    if condition.status == "False":
        assert len(first) <= HEADLINE
        assert "Fix: " in first or row.reason is Reason.ALLOCATION_FAILED, first
        assert first.rstrip(".").endswith(f"({condition.reason})"), first


def test_a_waiting_claim_asks_to_be_looked_at_when_its_pause_ends() -> None:
    step = launch(seen(machine(failure=failed(attempts=2)), after=10))
    assert step.requeue_after == 50, "the second pause lasts 60 s, 10 s of it are over"


def test_the_attempt_number_travels_with_the_pool_so_that_its_failure_is_counted_once() -> None:
    step = launch(seen(machine(failure=failed(attempts=4)), after=3600))
    assert isinstance(step.action, CreatePool)
    assert step.action.attempt == 5
    assert step.action.body["properties"]["tags"]["kaito-launch-attempt"] == "5"


def test_each_allowed_size_gets_its_turn() -> None:
    wanted = machine(failure=failed(attempts=1), sizes=(SIZE, "Standard_NC24ads_A100_v4"))
    step = launch(seen(wanted))
    assert isinstance(step.action, CreatePool)
    assert step.action.offering.size == "Standard_NC24ads_A100_v4"


def test_what_just_failed_for_another_claim_is_not_asked_for() -> None:
    held = {"on-demand/family/standardncsv3family": Hold(ErrorKind.QUOTA, rfc3339(at(0)), 2)}
    step = launch(seen(machine(), after=10, holds=held))
    (condition,) = step.conditions
    assert (step.action, step.requeue_after) == (None, 50.0)
    assert (condition.status, condition.reason) == ("False", Reason.QUOTA_EXCEEDED)
    assert "for another claim (2x), next try after 2026-08-21T10:01:00Z" in condition.message


def test_a_full_cluster_is_said_so_before_anything_is_asked_for() -> None:
    step = launch(seen(machine(), pool_count=100))
    (condition,) = step.conditions
    assert step.action is None
    assert step.requeue_after == 30
    assert condition.reason == Reason.POOL_LIMIT_REACHED
    assert "100 agent pools, AKS allows 100" in condition.message


def test_a_failed_call_is_not_repeated_before_its_time() -> None:
    step = launch(seen(machine(failure=failed()), pool=pool("Failed"), fault=BUSY))
    assert (step.action, step.requeue_after) == (None, 9.0)


def test_the_message_of_a_failure_names_figures_attempt_and_next_try() -> None:
    text = (
        "exceeding approved standardNCSv3Family Cores quota. Additional details - Current Limit: 0, Current Usage: 0, "
        "Additional Required: 6"
    )
    failure = Failure(3, rfc3339(at(0)), ErrorKind.QUOTA, Offering(SIZE), "QuotaExceeded", text)
    (condition,) = launch(seen(machine(failure=failure), after=1)).conditions
    first, _, second = condition.message.partition("\n")
    assert len(first) <= HEADLINE
    assert "6 vCPU needed, 0 of 0 used" in first
    assert "Standard_NC6s_v3 in eastus" in first
    assert second.startswith("Attempt 3 failed at 2026-08-21T10:00:00Z, the next is made after 2026-08-21T10:02:00Z.")


def test_an_overdue_launch_is_looked_at_less_often() -> None:
    assert launch(seen(machine(), pool=pool("Creating"), after=1801)).overdue
    assert not launch(seen(machine(), pool=pool("Creating"), after=1799)).overdue


def test_a_claim_that_cannot_be_asked_for_does_not_blame_the_cloud() -> None:
    (condition,) = launch(seen(machine(sizes=["Standard NC6"]))).conditions
    assert "The cloud" not in condition.message
    assert '"Standard NC6"' in condition.message, "the field's value"


def test_a_passing_fault_shows_the_same_text_however_the_cloud_words_it() -> None:
    texts = {
        launch(seen(machine(), fault=Fault(ErrorKind.THROTTLED, "Throttled", f"retry again in {rest} seconds")))
        .conditions[0]
        .message
        for rest in range(3)
    }
    assert len(texts) == 1, "a text that counts down would be written, and wake us, again and again"


@pytest.mark.parametrize(("created", "taken"), [(599, 0), (600, 1), (720, 1)])
def test_only_a_node_younger_than_the_request_can_be_its_node(created: float, taken: int) -> None:
    view = seen(machine(), pool=pool("Succeeded", attempt=2, requested=600), nodes=[node(created=created)])
    assert len(joined_nodes(view)) == taken


def test_nodes_of_a_pool_that_does_not_say_when_it_was_asked_for_are_taken() -> None:
    assert joined_nodes(seen(machine(), pool=pool(tags={}), nodes=[node(created=-900)]))


@pytest.mark.parametrize("noted", [None, failed(when=60)], ids=["another's before it", "its own that failed"])
def test_a_pool_that_does_not_go_is_read_less_often_after_a_while(noted: Failure | None) -> None:
    since = 60 if noted else 0
    for after, overdue in ((since + 1799, False), (since + 1800, True)):
        step = launch(seen(machine(failure=noted), pool=pool("Deleting"), after=after))
        assert (step.watch, step.overdue, step.requeue_after) == (True, overdue, None if overdue else 1.0)
