"""Faults of what surrounds the API server: policies, webhooks, definitions and the catalogue's ConfigMap, all real."""

from controller.api import labels
from controller.api.json import Json
from controller.api.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    MACHINES,
    SERVICES,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
    Resource,
)
from controller.installation import CATALOG_NAME
from controller.runtime.errors import ApiError
from hack.devcluster.programs import NAMESPACE
from tests.cluster.harness import eventually
from tests.cluster.provisioner_parts import CRD
from tests.faults_table.injection import Injection
from tests.faults_table.place import PATIENCE_SECONDS, Place

_GROUP = "admissionregistration.k8s.io"
POLICIES = Resource(_GROUP, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False)
BINDINGS = Resource(
    _GROUP, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
)
_WEBHOOK = "services.example.com"
_SPENT = "this team has spent its budget"
_NO_MODELS = "no models here"
HOUSE_MODEL = "house-model"
_CATALOG = f"presets:\n- name: phi-3-mini-128k-instruct\n  aliases: [{HOUSE_MODEL}]\n"


async def _until_refused(place: Place, resource: Resource, body: Json, by: str) -> None:
    """Waits until the API server minds what was installed: it reads policies and webhooks a moment later.

    Args:
        place: whose client asks.
        resource: the kind that is refused.
        body: an object that is refused.
        by: what the refusal says and nothing else does.
    """

    async def look() -> str:
        try:
            await place.client.apply(resource, body, manager="tests", dry_run=True)
        except ApiError as error:
            return "" if by in str(error) else str(error)
        return f"a {resource.kind} is still accepted"

    await eventually(look, PATIENCE_SECONDS)


async def _forbid_machines(place: Place) -> None:
    of = f"object.metadata.?labels['{labels.WORKSPACE_NAMESPACE}'].orValue('')"
    rule = {"apiGroups": [MACHINES.group], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["machines"]}
    validation = {"expression": f"{of} != '{place.namespace}'", "message": _SPENT}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    await place.create(POLICIES, spec=spec)
    await place.create(BINDINGS, spec={"policyName": place.namespace, "validationActions": ["Deny"]})
    metadata = {"name": place.namespace, "labels": {labels.WORKSPACE_NAMESPACE: place.namespace}}
    await _until_refused(place, MACHINES, {"metadata": metadata, "spec": {"requirements": []}}, _SPENT)


async def _no_machines(place: Place) -> None:
    await _forbid_machines(place)
    await place.order()


async def _no_policy(place: Place) -> None:
    await place.client.delete(BINDINGS, place.namespace)
    await place.client.delete(POLICIES, place.namespace)


async def _no_deployment(place: Place) -> None:
    rule = {"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["deployments"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}}
    denial = {"expression": "false", "message": _NO_MODELS, "reason": "RequestEntityTooLarge"}
    constraints = {"resourceRules": [rule], "namespaceSelector": here}
    await place.create(POLICIES, spec={"matchConstraints": constraints, "validations": [denial]})
    await place.create(BINDINGS, spec={"policyName": place.namespace, "validationActions": ["Deny"]})
    pod = {"metadata": {"labels": {"app": "probe"}}, "spec": {"containers": [{"name": "probe", "image": "probe"}]}}
    spec = {"selector": {"matchLabels": {"app": "probe"}}, "template": pod}
    probe = {"metadata": {"name": "probe", "namespace": place.namespace}, "spec": spec}
    await _until_refused(place, DEPLOYMENTS, probe, _NO_MODELS)
    await place.node()
    await place.order()


async def _webhook_away(place: Place) -> None:
    await place.node()
    webhook = {
        "name": _WEBHOOK,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["services"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 1,
        "admissionReviewVersions": ["v1"],
    }
    await place.create(VALIDATING_WEBHOOK_CONFIGURATIONS, webhooks=[webhook])
    probe = {"metadata": {"name": "probe", "namespace": place.namespace}, "spec": {"ports": [{"port": 80}]}}
    await _until_refused(place, SERVICES, probe, _WEBHOOK)
    await place.order()


async def _webhook_gone(place: Place) -> None:
    await place.client.delete(VALIDATING_WEBHOOK_CONFIGURATIONS, place.namespace)


async def _no_definition(place: Place) -> None:
    await place.order(annotations={labels.NODE_SOURCE: "nodeclaim"})


async def _definition(place: Place) -> None:
    await place.client.apply(CUSTOM_RESOURCE_DEFINITIONS, CRD, manager="tests")


async def _house_model(place: Place) -> None:
    body = {"metadata": {"name": CATALOG_NAME, "namespace": NAMESPACE}, "data": {"presets.yaml": _CATALOG}}
    await place.client.apply(CONFIG_MAPS, body, manager="tests")


async def _withdrawn(place: Place) -> None:
    await _house_model(place)
    await place.node()

    async def refused() -> str:
        try:
            await place.order(inference={"preset": {"name": HOUSE_MODEL}})
        except ApiError as error:
            return str(error)
        return ""

    await eventually(refused, PATIENCE_SECONDS)
    await place.until_ready()
    await place.client.delete(CONFIG_MAPS, CATALOG_NAME, namespace=NAMESPACE)


INJECTIONS = {
    "claim-refused": Injection(_no_machines, _no_policy),
    "workload-refused": Injection(_no_deployment, _no_policy),
    "webhook-away": Injection(_webhook_away, _webhook_gone),
    "claim-kind-missing": Injection(_no_definition, _definition),
    "preset-withdrawn": Injection(_withdrawn, _house_model),
}
