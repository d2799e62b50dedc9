"""Where nodes come from and what is asked of new ones: which words are taken, and what they lead to."""

from dataclasses import replace

import pytest

from controller.api import labels
from controller.api.claims import MACHINE, NODE_CLAIM, NodeClass, parse_claim
from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.catalog import Cloud, load_catalog
from controller.planning.admission.findings import Findings
from controller.planning.admission.validation import validate, validate_update
from controller.planning.node_plan import plan_nodes
from controller.planning.observed import Observed
from controller.planning.plan import claims_to_create
from controller.planning.resolving import resolve
from controller.planning.site import Site
from controller.planning.target import Target
from tests.unit.planning.admission.findings_kit import tuned
from tests.unit.planning.manifests import changed, example

SITE = Site(load_catalog().at(Cloud.AZURE))
EXISTING = replace(SITE, auto_provision=False)
A100 = "Standard_NC24ads_A100_v4"
T4, T4_LARGER, T4_LARGEST, T4_FOUR = (f"Standard_NC{cores}as_T4_v3" for cores in (4, 8, 16, 64))
PLAIN = example(resource__instanceType=T4)


def annotated(**annotations: str) -> Json:
    """The example on a T4 with annotations of kaito.sh; `node_source` stands for `kaito.sh/node-source`."""
    given = {f"kaito.sh/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return changed(PLAIN, "metadata.annotations", given)


def target_of(obj: Json, site: Site = SITE) -> Target:
    found = resolve(parse_workspace(obj), obj, site)
    assert isinstance(found, Target), f"it has no target: {found}"
    return found


@pytest.mark.parametrize(
    "annotations",
    [
        {"node_source": "machine"},
        {"node_source": "nodeclaim"},
        {"instance_types": f"{T4_LARGER}, {T4}"},
        {"instance_types": T4_LARGER.lower()},
        {"zones": "eastus-2,eastus-1"},
        {"capacity_types": "spot, on-demand"},
    ],
    ids=str,
)
def test_words_that_are_acted_on_draw_no_comment(annotations: dict[str, str]) -> None:
    plain = validate(PLAIN, SITE)
    assert validate(annotated(**annotations), SITE) == plain


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        ({"node_source": "Machine"}, Reason.ANNOTATION_INVALID),
        ({"node_source": ""}, Reason.ANNOTATION_INVALID),
        ({"instance_types": ""}, Reason.ANNOTATION_INVALID),
        ({"instance_types": f"{T4},{T4.lower()}"}, Reason.ANNOTATION_INVALID),
        ({"instance_types": "Standard_NC4as_T4"}, Reason.INSTANCE_TYPE_UNKNOWN),
        ({"instance_types": "g5.xlarge"}, Reason.INSTANCE_TYPE_UNKNOWN),
        ({"instance_types": T4_FOUR}, Reason.ANNOTATION_INVALID),
        ({"instance_types": A100}, Reason.ANNOTATION_INVALID),
        ({"zones": "1,2"}, Reason.ANNOTATION_INVALID),
        ({"zones": "eastus-1,"}, None),
        ({"zones": ","}, Reason.ANNOTATION_INVALID),
        ({"capacity_types": "Spot"}, Reason.ANNOTATION_INVALID),
        ({"capacity_types": "reserved"}, Reason.ANNOTATION_INVALID),
        ({"zones": ",".join(f"region{number}-1" for number in range(11))}, Reason.ANNOTATION_INVALID),
    ],
    ids=str,
)
def test_lists_hold_words_that_can_be_acted_on(annotations: dict[str, str], reason: Reason | None) -> None:
    found = validate(annotated(**annotations), SITE).problems
    assert {each.reason for each in found} == ({reason} if reason else set())
    for problem in found:
        assert problem.field.startswith("metadata.annotations[kaito.sh/"), problem.field
        assert len(problem.text) < TEXT_LIMIT


def test_zones_are_those_of_the_installations_region() -> None:
    (problem,) = validate(annotated(zones="westus-3"), replace(SITE, region="eastus")).problems
    assert problem.fixes == ("use eastus-3",)


def test_a_further_size_is_refused_when_its_pods_would_be_others() -> None:
    (problem,) = validate(annotated(instance_types=f"{T4},{A100}"), SITE).problems
    assert f"{T4} takes transformers in float16, {A100} takes vllm in bfloat16" in problem.why


def test_the_user_can_make_pods_the_same_by_choosing_the_model_server() -> None:
    wanted = annotated(instance_types=f"{T4},Standard_NC6s_v3", runtime="transformers")
    assert validate(wanted, SITE).problems == ()


def test_a_further_size_must_hold_the_model() -> None:
    large = changed(PLAIN, "resource.instanceType", "Standard_NC48ads_A100_v4")
    large = changed(large, "inference.preset.name", "llama-3.3-70b-instruct")
    large = changed(large, "metadata.annotations", {labels.INSTANCE_TYPES: "Standard_NV36ads_A10_v5"})
    reasons = {each.reason for each in validate(large, SITE).problems if each.field.endswith("instance-types]")}
    assert reasons, "a size with a third of the memory was let in"


def test_a_further_size_must_be_allowed_when_it_is_new() -> None:
    site = replace(SITE, allowed=frozenset({T4.lower()}))
    wanted = annotated(instance_types=f"{T4},{T4_LARGER}")
    (problem,) = validate(wanted, site).problems
    assert problem.reason is Reason.INSTANCE_TYPE_NOT_ALLOWED
    assert [each.reason for each in validate_update(PLAIN, wanted, site).problems] == [problem.reason]
    assert validate_update(wanted, wanted, site).problems == ()


def test_a_workspace_that_has_no_nodes_made_is_told_that_its_wishes_are_idle() -> None:
    wishes = {"zones": "eastus-1", "capacity_types": "spot", "instance_types": T4}
    expected = [f"the annotation kaito.sh/{key} has no effect" for key in ("instance-types", "zones", "capacity-types")]
    for found in (
        validate(annotated(**wishes), EXISTING),
        validate(annotated(**wishes, node_source="existing"), SITE),
    ):
        told = [each for each in found.warnings if "no nodes are made" in each]
        assert [each.partition(":")[0] for each in told] == expected


def test_where_nodes_come_from_is_judged_by_the_workspaces_own_word() -> None:
    sizeless = changed(annotated(node_source="existing"), "resource.instanceType", "")
    assert Reason.INSTANCE_TYPE_REQUIRED not in {each.reason for each in validate(sizeless, SITE).problems}
    made = changed(annotated(node_source="machine"), "resource.instanceType", "")
    assert Reason.INSTANCE_TYPE_REQUIRED in {each.reason for each in validate(made, EXISTING).problems}


@pytest.mark.parametrize(
    ("site", "annotations", "kind"),
    [
        (SITE, {}, MACHINE),
        (replace(SITE, claims=NODE_CLAIM), {}, NODE_CLAIM),
        (SITE, {"node_source": "nodeclaim"}, NODE_CLAIM),
        (replace(SITE, claims=NODE_CLAIM), {"node_source": "machine"}, MACHINE),
        (EXISTING, {"node_source": "nodeclaim"}, NODE_CLAIM),
        (SITE, {"node_source": "existing"}, None),
        (EXISTING, {}, None),
    ],
)
def test_the_workspaces_word_goes_before_the_installations(
    site: Site, annotations: dict[str, str], kind: object
) -> None:
    demand = target_of(annotated(**annotations), site).demand
    assert (demand.kind if demand.provision else None) == kind


def test_claims_ask_for_the_listed_sizes_zones_and_payment_in_order_of_the_class_of_the_installation() -> None:
    site = replace(SITE, claims=NODE_CLAIM, node_class=NodeClass("karpenter.azure.com", "AKSNodeClass", "gpu"))
    obj = annotated(instance_types=f"{T4_LARGER},{T4}", zones="eastus-2,eastus-1", capacity_types="spot,on-demand")
    workspace, target = parse_workspace(obj), target_of(obj, site)
    plan = plan_nodes(workspace, target.demand, Observed())
    (claim,) = (parse_claim(each, NODE_CLAIM) for each in claims_to_create(workspace, target, plan))
    assert claim.instance_types == (T4_LARGER, T4)
    assert claim.required_values(labels.ZONE) == ("eastus-2", "eastus-1")
    assert claim.required_values(labels.CAPACITY_TYPE) == ("spot", "on-demand")
    assert claim.node_class == site.node_class


def test_the_size_of_the_manifest_goes_first_unless_it_is_listed() -> None:
    assert target_of(annotated(instance_types=f"{T4_LARGER},{T4_LARGEST}")).sizes == (T4, T4_LARGER, T4_LARGEST)
    assert target_of(annotated(instance_types=f"{T4_LARGER},{T4}")).sizes == (T4_LARGER, T4)
    assert target_of(PLAIN).sizes == (T4,)


def test_a_change_of_source_is_let_through() -> None:
    assert validate_update(PLAIN, annotated(node_source="nodeclaim"), SITE) == Findings()


def test_a_training_run_takes_further_sizes_it_is_written_for_alike() -> None:
    run = changed(tuned(), "resource.instanceType", A100)
    several = f"{A100},Standard_NC40ads_H100_v5"
    alike = changed(run, "metadata.annotations", {labels.INSTANCE_TYPES: several})
    assert [each for each in validate(alike, SITE).problems if "instance-types" in each.field] == []
    half = changed(run, "metadata.annotations", {labels.INSTANCE_TYPES: "Standard_NC6s_v3"})
    assert [each for each in validate(half, SITE).problems if "instance-types" in each.field] != []
