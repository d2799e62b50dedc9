"""First lines: what, why, fix and code within what readers show."""

from hypothesis import given
from hypothesis import strategies as st

from controller.api.claims import MACHINE
from controller.api.reasons import Reason
from provisioner.errors import ErrorKind, Fault
from provisioner.texts import HEADLINE, explain, headline

DENIED = (
    "The client '1' with object id '1' does not have authorization to perform action "
    "'Microsoft.ContainerService/managedClusters/agentPools/write' over scope '/subscriptions/s'."
)


def test_the_root_condition_has_room_for_the_type_it_puts_before_the_line() -> None:
    assert all(len(f"{type_}: ") + HEADLINE <= 256 for type_ in MACHINE.dependents)


@given(st.text(max_size=400), st.text(max_size=400), st.sampled_from(sorted(Reason)), st.lists(st.text(max_size=80)))
def test_a_first_line_keeps_its_limit_and_its_code(what: str, why: str, reason: Reason, fixes: list[str]) -> None:
    line = headline(what, why, reason, *fixes)
    assert len(line) <= HEADLINE
    assert line.endswith(f"({reason})")


def test_what_is_too_long_is_taken_from_the_why() -> None:
    line = headline("Agent pool p was not made", "x" * 400, Reason.LAUNCH_FAILED, "read the message")
    assert line.endswith("…. Fix: read the message (LaunchFailed)")


def test_a_missing_right_is_named_in_the_first_line() -> None:
    first = explain(Fault(ErrorKind.PERMISSION, "AuthorizationFailed", DENIED), "Agent pool p was not made")
    assert "no right to Microsoft.ContainerService/managedClusters/agentPools/write" in first.partition("\n")[0]


def test_a_refused_field_is_named_in_the_first_line() -> None:
    fault = Fault(ErrorKind.INVALID, "InvalidParameter", "InvalidParameter: osDiskSizeGB is out of range")
    assert "osDiskSizeGB" in explain(fault, "Agent pool p was not made").partition("\n")[0]


def test_the_words_of_a_passing_fault_are_not_shown() -> None:
    fault = Fault(ErrorKind.THROTTLED, "Throttled", "retry again in 42 seconds")
    assert "42" not in explain(fault, "Agent pool p waits")
