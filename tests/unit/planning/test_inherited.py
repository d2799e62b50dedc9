from dataclasses import replace

import pytest

from controller.api import labels
from controller.planning.inherited import is_own, is_reserved, is_stray
from tests.unit.planning.builders import UID, claim, node, workspace

OWNER = workspace()
BORN = "2026-01-05T10:00:00Z"
NAMED = {labels.WORKSPACE: "phi", labels.WORKSPACE_NAMESPACE: "default"}
KAITO = claim(OWNER, 0, creation_time="2026-01-05T10:00:07Z", labels=NAMED)


def test_a_claim_kaito_made_for_the_workspace_is_its_own() -> None:
    assert is_own(KAITO, OWNER, BORN)
    assert is_own(replace(KAITO, creation_time=BORN), OWNER, BORN)


@pytest.mark.parametrize(
    "stranger",
    [
        replace(KAITO, creation_time="2026-01-05T09:59:59Z"),
        replace(KAITO, labels={**NAMED, labels.WORKSPACE_UID: "another"}),
        replace(KAITO, labels={**NAMED, labels.WORKSPACE_UID: ""}),
        replace(KAITO, labels={**NAMED, labels.WORKSPACE_NAMESPACE: "other"}),
        replace(KAITO, labels={**NAMED, labels.RAG_ENGINE: "phi"}),
        replace(KAITO, name="my-machine"),
    ],
    ids=["a predecessor's", "another's", "odd", "another namespace's", "a RAG engine's", "made by hand"],
)
def test_nobody_elses_claim_is(stranger: object) -> None:
    assert not is_own(stranger, OWNER, BORN)  # type: ignore[arg-type]


def test_without_a_birth_only_the_uid_counts() -> None:
    assert not is_own(KAITO, OWNER, "")
    assert is_own(replace(KAITO, labels={labels.WORKSPACE_UID: UID}), OWNER, "")


def test_a_node_put_aside_by_hand_is_reserved_and_one_made_for_a_claim_is_not() -> None:
    assert is_reserved(node("n", labels=NAMED), OWNER)
    for key in (labels.NODE_POOL, labels.PROVISIONER_NAME, labels.WORKSPACE_UID, labels.CLAIM_ORDINAL):
        assert not is_reserved(node("n", labels={**NAMED, key: "x"}), OWNER), f"{key} says that it is not free"
    assert not is_reserved(node("n"), OWNER)


OLDER = replace(KAITO, creation_time="2026-01-05T09:59:59Z")


def test_a_claim_older_than_the_workspace_of_its_name_is_a_stray_until_somebody_says_whose_it_is() -> None:
    """A Workspace restored from a backup is younger than the claims KAITO made for it."""
    assert is_stray(OLDER, OWNER, BORN)
    assert not is_stray(KAITO, OWNER, BORN), "made in its lifetime: its own"
    assert not is_stray(replace(OLDER, deletion_time=BORN), OWNER, BORN), "it goes by itself"
    assert not is_stray(replace(OLDER, name="my-machine"), OWNER, BORN), "not KAITO's"
    handed_over = replace(OLDER, labels={**NAMED, labels.WORKSPACE_UID: UID})
    assert (is_stray(handed_over, OWNER, BORN), is_own(handed_over, OWNER, BORN)) == (False, True)
