import pytest

from controller.api import labels
from controller.api.claims import CLAIM_KINDS
from controller.api.node_source import NodeSource, wished_source


@pytest.mark.parametrize("source", NodeSource)
def test_a_source_is_asked_for_by_its_word(source: NodeSource) -> None:
    assert wished_source({labels.NODE_SOURCE: source.value}) is source


@pytest.mark.parametrize("annotations", [{}, {labels.NODE_SOURCE: ""}, {labels.NODE_SOURCE: "Machine"}], ids=str)
def test_another_word_asks_for_nothing(annotations: dict[str, str]) -> None:
    assert wished_source(annotations) is None


def test_every_kind_of_claim_has_one_source_and_existing_nodes_have_none() -> None:
    assert [source.kind for source in NodeSource] == [*CLAIM_KINDS, None]
