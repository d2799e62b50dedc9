"""What must hold of every installation, whichever overlay it comes from."""

import pytest

from tests.manifests.building import OVERLAYS, Json, build, of_kind, pod_template

ALL = ["base", *(f"overlays/{name}" for name in OVERLAYS)]
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

installations = pytest.mark.parametrize("folder", ALL)


def rules(objects: tuple[Json, ...], kind: str) -> list[tuple[str, Json]]:
    """Every rule; one about a path of the server's own names neither groups nor resources."""
    return [
        (item["metadata"]["name"], {"apiGroups": [], "resources": [], "nonResourceURLs": [], **rule})
        for item in of_kind(objects, kind)
        for rule in item["rules"]
    ]


@installations
def test_no_right_is_a_wildcard(folder: str) -> None:
    granted = [*rules(build(folder), "ClusterRole"), *rules(build(folder), "Role")]
    for name, rule in granted:
        for what in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
            assert not [word for word in rule[what] if "*" in word], f"{name} may do anything: {rule}"


@installations
def test_secrets_are_read_by_name_and_in_the_own_namespace_only(folder: str) -> None:
    assert not [(name, rule) for name, rule in rules(build(folder), "ClusterRole") if "secrets" in rule["resources"]]
    for name, rule in rules(build(folder), "Role"):
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["create"] or rule.get("resourceNames"), f"{name} reads every Secret beside it"


@installations
def test_nobody_can_widen_rights_or_act_as_somebody_else(folder: str) -> None:
    objects = build(folder)
    for name, rule in [*rules(objects, "ClusterRole"), *rules(objects, "Role")]:
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), f"{name}: {rule}"
        assert not {"pods/exec", "serviceaccounts/token", "nodes/proxy"} & set(rule["resources"]), f"{name}: {rule}"


def test_the_webhook_holds_what_it_serves_with_and_nothing_else() -> None:
    held = [*rules(build("base"), "ClusterRole"), *rules(build("base"), "Role")]
    webhook = [rule for name, rule in held if name == "kaito-webhook"]
    named = {resource for rule in webhook if rule.get("resourceNames") for resource in rule["resources"]}
    free = {
        (r, verb)
        for rule in webhook
        if not rule.get("resourceNames")
        for r in rule["resources"]
        for verb in rule["verbs"]
    }
    assert named == {"secrets", "configmaps", "mutatingwebhookconfigurations", "validatingwebhookconfigurations"}
    assert free == {
        ("secrets", "create"),  # a name cannot limit the making of a new object
        *((resource, verb) for resource in ("configmaps", "nodes") for verb in ("list", "watch")),
    }


def test_in_production_metrics_are_for_those_who_may_see_them() -> None:
    objects = build("overlays/ha")
    for deployment in of_kind(objects, "Deployment"):
        assert "--metrics-secure" in pod_template(deployment)["spec"]["containers"][0]["args"]
    held = dict(rules(objects, "ClusterRole"))
    assert (held["kaito-metrics-reader"]["nonResourceURLs"], held["kaito-metrics-reader"]["verbs"]) == (
        ["/metrics"],
        ["get"],
    )
    (binding,) = (item for item in of_kind(objects, "ClusterRoleBinding") if "metrics" in item["metadata"]["name"])
    accounts = {item["metadata"]["name"] for item in of_kind(objects, "ServiceAccount")}
    assert {subject["name"] for subject in binding["subjects"]} == accounts


@installations
def test_every_program_is_locked_in(folder: str) -> None:
    deployments = of_kind(build(folder), "Deployment")
    assert deployments
    for deployment in deployments:
        pod = pod_template(deployment)["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert all(probe in container for probe in PROBES)
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        assert pod["enableServiceLinks"] is False


@installations
def test_every_program_has_a_budget_and_a_policy_of_its_own(folder: str) -> None:
    objects = build(folder)
    names = {item["metadata"]["name"] for item in of_kind(objects, "Deployment")}
    assert {item["metadata"]["name"] for item in of_kind(objects, "NetworkPolicy")} == names
    replicas = {item["metadata"]["name"]: item["spec"]["replicas"] for item in of_kind(objects, "Deployment")}
    protected = {item["metadata"]["name"] for item in of_kind(objects, "PodDisruptionBudget")}
    assert protected == {name for name, count in replicas.items() if count > 1}


API_SERVER_PORTS = {443, 6443, 8443, 16443}
"""Where API servers listen: managed ones and kubeadm's, minikube's, MicroK8s's."""


@installations
def test_every_program_reaches_names_and_the_api_server_wherever_it_listens_and_little_else(folder: str) -> None:
    for policy in of_kind(build(folder), "NetworkPolicy"):
        anywhere = [rule["ports"] for rule in policy["spec"]["egress"] if "to" not in rule]
        reached = {(each["protocol"], each["port"]) for ports in anywhere for each in ports}
        wanted = {("UDP", 53), ("TCP", 53), *(("TCP", port) for port in API_SERVER_PORTS)}
        assert reached == wanted, policy["metadata"]["name"]


@installations
def test_admission_asks_about_living_workspaces_and_nothing_else(folder: str) -> None:
    objects = build(folder)
    configurations = [
        *of_kind(objects, "MutatingWebhookConfiguration"),
        *of_kind(objects, "ValidatingWebhookConfiguration"),
    ]
    assert len(configurations) == 2
    for configuration in configurations:
        (webhook,) = configuration["webhooks"]
        (rule,) = webhook["rules"]
        assert (rule["apiGroups"], rule["resources"]) == (["kaito.sh"], ["workspaces"]), "status is not admitted"
        assert set(rule["operations"]) == {"CREATE", "UPDATE"}, "a deletion asks nobody"
        assert [item["expression"] for item in webhook["matchConditions"]] == [
            "!has(object.metadata.deletionTimestamp)"
        ], "a finalizer can be taken away without the webhook"
        assert webhook["failurePolicy"] == "Fail"
        assert 1 <= webhook["timeoutSeconds"] <= 10
        assert "namespaceSelector" not in webhook
        assert "objectSelector" not in webhook
