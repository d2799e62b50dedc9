from controller.api.reasons import needs_people
from hack.docs.faults import FAULTS
from hack.docs.faults_page import faults_page


def test_every_fault_has_a_row_that_tells_whether_people_are_waited_for() -> None:
    rows = [line for line in faults_page().splitlines() if line.startswith("| ")]
    for fault in FAULTS.values():
        (row,) = [row for row in rows if row.startswith(f"| {fault.what} | `{fault.condition}` | `{fault.reason}` |")]
        assert ("| Stalled |" in row) is needs_people(fault.reason)
        assert fault.heals in row


def test_a_warning_is_what_is_no_part_of_a_good_start() -> None:
    assert FAULTS["image-denied"].event_type == "Warning"
    assert FAULTS["node-lost"].event_type == "Normal"
