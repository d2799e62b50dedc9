"""Which nodes a Workspace's selector accepts: the quick way over many nodes agrees with the plain one."""

from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json, labels_of
from controller.planning.observed import selected, selects
from tests.unit.planning.builders import workspace

KEYS, WORDS = st.sampled_from(["apps", "pool", "kubernetes.io/hostname"]), st.sampled_from(["a", "b", "c"])
LABELS = st.dictionaries(KEYS, WORDS, max_size=3)
EXPRESSIONS = st.lists(
    st.fixed_dictionaries({"key": KEYS, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(WORDS)})
    | st.fixed_dictionaries({"key": KEYS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
    max_size=2,
)


@given(LABELS, EXPRESSIONS, st.lists(LABELS, max_size=6))
def test_of_many_nodes_those_are_selected_that_would_be_one_by_one(
    names: dict[str, str], expressions: list[Json], nodes: list[dict[str, str]]
) -> None:
    wish = workspace(resource={"labelSelector": {"matchLabels": names, "matchExpressions": expressions}})
    stored = [{"metadata": {"name": f"node-{number}", "labels": found}} for number, found in enumerate(nodes)]
    assert list(selected(wish, stored)) == [node for node in stored if selects(wish, labels_of(node))]
