from typing import Any

import pytest

from controller.api.json import Json
from controller.planning.rendering import APPLIED_HASH
from controller.reconcilers.workload import stands

WANTED: Json = {"metadata": {"name": "phi", "annotations": {APPLIED_HASH: "a"}}, "spec": {"cpu": "1000m"}}
APPLIED = ("uid", 2, "a")


def stored(**metadata: Any) -> Json:
    """As the API server stores it: `1000m` is spelled `1`."""
    found = {"name": "phi", "uid": "uid", "generation": 2, "annotations": {APPLIED_HASH: "a"}, **metadata}
    return {"metadata": found, "spec": {"cpu": "1"}}


def test_what_the_api_server_spells_in_its_own_way_is_no_change() -> None:
    assert stands(APPLIED, WANTED, stored())


@pytest.mark.parametrize(
    "metadata",
    [{"generation": 3}, {"uid": "successor"}, {"annotations": {}}, {"annotations": {APPLIED_HASH: "b"}}],
    ids=["edited", "made anew", "annotation lost", "another wish"],
)
def test_what_was_changed_since_is_written_again(metadata: Json) -> None:
    assert not stands(APPLIED, WANTED, stored(**metadata))


def test_kinds_without_a_generation_do_not_tell_whether_they_were_changed() -> None:
    assert not stands(("uid", 0, "a"), WANTED, stored(generation=0))


def test_what_was_never_written_by_this_process_is_written() -> None:
    assert not stands(None, WANTED, stored())
