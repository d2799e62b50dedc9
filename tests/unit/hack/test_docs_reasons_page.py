from controller.api.reasons import Reason
from hack.docs.reasons_page import reasons_page


def test_every_reason_has_a_row_that_tells_whether_people_are_waited_for() -> None:
    rows = [line.split(" | ") for line in reasons_page().splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"| `{reason}`" for reason in sorted(Reason)]
    kinds = {row[0].strip("| `"): row[-1].strip(" |") for row in rows}
    assert kinds["ImagePullFailed"] == "stalled"
    assert kinds["PodsPending"] == "waiting"
    assert kinds["WorkspaceReady"] == "-"
