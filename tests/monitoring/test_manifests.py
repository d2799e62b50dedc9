"""The kustomization builds, and what it selects is what the other manifests install."""

import json
import subprocess
from typing import Any

import pytest
import yaml

from hack.devcluster.commands import kubectl_path
from hack.devcluster.layout import REPOSITORY
from hack.docs.registry import PROGRAMS
from hack.prometheus.monitoring import alerts, dashboards, recordings

Json = dict[str, Any]


def build(folder: str) -> list[Json]:
    """The objects of a kustomization."""
    argv = [str(kubectl_path()), "kustomize", str(REPOSITORY / "manifests" / folder)]
    text = subprocess.run(argv, capture_output=True, check=True, text=True).stdout
    return [item for item in yaml.safe_load_all(text) if item]


@pytest.fixture(scope="module")
def objects() -> list[Json]:
    return build("monitoring")


def of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [item for item in objects if item["kind"] == kind]


def test_the_kustomization_holds_everything_once(objects: list[Json]) -> None:
    names = sorted((item["kind"], item["metadata"]["name"]) for item in objects)
    assert names == [
        ("ConfigMap", "kaito-dashboard-fleet"),
        ("ConfigMap", "kaito-dashboard-workspace"),
        ("PodMonitor", "kaito"),
        ("PrometheusRule", "kaito"),
        ("PrometheusRule", "kaito-provisioner"),
    ]
    assert {item["metadata"]["namespace"] for item in objects} == {"kaito-system"}
    rules = [
        rule
        for item in of_kind(objects, "PrometheusRule")
        for group in item["spec"]["groups"]
        for rule in group["rules"]
    ]
    assert len(rules) == len(alerts()) + len(recordings()), "two rules share a name"


def test_dashboards_are_found_by_grafanas_sidecar(objects: list[Json]) -> None:
    found: dict[str, Json] = {}
    for item in of_kind(objects, "ConfigMap"):
        assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
        found |= {name.removesuffix(".json"): json.loads(text) for name, text in item["data"].items()}
    assert found == dashboards()


def test_the_pod_monitor_finds_every_program_under_its_name(objects: list[Json]) -> None:
    (monitor,) = of_kind(objects, "PodMonitor")
    wanted, (endpoint,) = monitor["spec"]["selector"]["matchLabels"], monitor["spec"]["podMetricsEndpoints"]
    jobs = set()
    for deployment in of_kind(build("base"), "Deployment"):
        pod = deployment["spec"]["template"]
        assert wanted.items() <= pod["metadata"]["labels"].items()
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}
        assert endpoint["port"] in ports
        jobs.add(pod["metadata"]["labels"][monitor["spec"]["jobLabel"]])
    assert jobs == set(PROGRAMS), "rules and dashboards know the programs by these names"


def test_guarded_metrics_are_scraped_over_tls_with_a_token_of_every_program(objects: list[Json]) -> None:
    secure = build("monitoring-secure")
    (monitor,) = of_kind(secure, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["scheme"], endpoint["path"]) == ("https", "/metrics")
    assert endpoint["bearerTokenFile"]
    wanted, jobs = monitor["spec"]["selector"]["matchLabels"], set()
    for service in of_kind(build("overlays/ha"), "Service"):
        assert wanted.items() <= service["metadata"]["labels"].items()
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        jobs.add(service["metadata"]["labels"][monitor["spec"]["jobLabel"]])
    assert jobs == set(PROGRAMS)
    plain = {(item["kind"], item["metadata"]["name"]) for item in objects}
    guarded = {(item["kind"], item["metadata"]["name"]) for item in secure}
    assert plain ^ guarded == {("PodMonitor", "kaito"), ("ServiceMonitor", "kaito")}
