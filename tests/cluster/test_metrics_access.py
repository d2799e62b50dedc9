"""Guarded metrics on the real API server: who is shown them, who is not and why, and what happens when it is away.

The roles are the shipped ones, and a real Prometheus does the scraping.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from controller.api.json import Json
from hack.devcluster.layout import write_private
from hack.prometheus.binaries import find_or_fetch
from hack.prometheus.server import Prometheus, running
from tests.cluster.harness import Cluster, eventually
from tests.cluster.test_program import RBAC, RULES, replica
from tests.faults.proxy import Drop, FaultProxy, Reply, Rule
from tests.manifests.building import build, of_kind

PATIENCE_SECONDS = 60.0
AUTHENTICATION, READER = "kaito-metrics-authentication", "kaito-metrics-reader"
SCRAPER, STRANGER = "prometheus", "stranger"
WANTED = {"reader": "", "stranger": "403", "forged": "401", "nobody": "401"}
"""Jobs, and what Prometheus says of their scrapes; nothing when they succeed."""


@dataclass(frozen=True, slots=True)
class Site:
    """A namespace with a program's account, a scraper with the right to scrape and one without."""

    cluster: Cluster
    namespace: str

    async def token(self, account: str) -> str:
        """A fresh token of a service account."""
        async with self.cluster.api() as api:
            return await api.create_token(self.namespace, account, 3600)


@dataclass(frozen=True, slots=True)
class Shown:
    """The metrics of a running program, from outside."""

    address: str

    async def scrape(self, token: str) -> tuple[int, str]:
        """Status and body."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"https://{self.address}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as reply:
            return reply.status, await reply.text()

    async def until(self, token: str, status: int, words: str) -> None:
        """Waits for an answer: one peer's unknown tokens are asked about at their own pace."""

        async def answered() -> str:
            got = await self.scrape(token)
            return "" if got[0] == status and words in got[1] else f"{got[0]} {got[1][:200]}"

        await eventually(answered, PATIENCE_SECONDS)


@pytest.fixture
async def site(cluster: Cluster, namespace: str) -> AsyncIterator[Site]:
    metadata = {"name": "sample", "namespace": namespace}
    shipped = [role for role in of_kind(build("overlays/ha"), "ClusterRole") if "metrics" in role["metadata"]["name"]]
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
        for name in ("sample", SCRAPER, STRANGER)
    ]
    await cluster.apply(
        *shipped,
        *accounts,
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": RULES},
        binding("RoleBinding", namespace, "Role", "sample", "sample") | {"metadata": metadata},
        binding("ClusterRoleBinding", namespace, "ClusterRole", AUTHENTICATION, "sample"),
        binding("ClusterRoleBinding", namespace, "ClusterRole", READER, SCRAPER),
    )
    yield Site(cluster, namespace)
    await cluster.kubectl("delete", "clusterrolebinding", f"{namespace}-{AUTHENTICATION}", f"{namespace}-{READER}")


def binding(kind: str, namespace: str, role_kind: str, role: str, account: str) -> Json:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": {"name": f"{namespace}-{role}"},
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


@asynccontextmanager
async def program(site: Site, server: str = "") -> AsyncIterator[Shown]:
    """A program with guarded metrics, on the runtime of all of ours."""
    kubeconfig = await site.cluster.token_kubeconfig(site.namespace, "sample", server)
    async with replica("a", kubeconfig, site.namespace, 15, "--metrics-secure") as made:
        yield Shown(made.metrics.removeprefix("http://"))


async def test_a_prometheus_scrapes_with_the_shipped_role_and_not_without(site: Site, tmp_path: Path) -> None:
    async with program(site) as shown:
        jobs = {
            "reader": await written(tmp_path, "reader", await site.token(SCRAPER)),
            "stranger": await written(tmp_path, "stranger", await site.token(STRANGER)),
            "forged": await written(tmp_path, "forged", "forged"),
            "nobody": None,
        }
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [job(name, shown.address, token) for name, token in jobs.items()],
        }
        async with running(await find_or_fetch(), tmp_path / "prometheus", settings) as prometheus:
            waiting = dict(WANTED)
            await eventually(lambda: verdicts(prometheus, waiting), PATIENCE_SECONDS)
            await eventually(lambda: scraped(prometheus), PATIENCE_SECONDS)


async def written(folder: Path, name: str, token: str) -> Path:
    path = folder / f"{name}.token"
    write_private(path, token)
    return path


def job(name: str, address: str, token: Path | None) -> Json:
    """How the Prometheus operator words the ServiceMonitor of manifests/monitoring-secure for Prometheus."""
    described: Json = {
        "job_name": name,
        "scheme": "https",
        "tls_config": {"insecure_skip_verify": True},
        "static_configs": [{"targets": [address]}],
    }
    return described | ({"authorization": {"credentials_file": str(token)}} if token else {})


async def verdicts(prometheus: Prometheus, waiting: dict[str, str]) -> str:
    """Empty once every job has met the answer that is meant for it; those that have are not waited for any more."""
    for target in await prometheus.targets():
        words = waiting.get(target["scrapePool"])
        if (words == "" and target["health"] == "up") or (words and words in target["lastError"]):
            del waiting[target["scrapePool"]]
    return f"not seen yet: {waiting}" if waiting else ""


async def scraped(prometheus: Prometheus) -> str:
    """Empty once the one scrape that succeeds has brought metrics, and no other has."""
    series = await prometheus.query("leader_election_master_status")
    jobs = {item["metric"]["job"] for item in series}
    return "" if jobs == {"reader"} else f"metrics from {jobs}"


async def test_each_refusal_says_why(site: Site) -> None:
    async with program(site) as shown:
        assert (await shown.scrape(""))[0] == 401
        await shown.until(await site.token(STRANGER), 403, f"system:serviceaccount:{site.namespace}:{STRANGER} may not")
        await shown.until("forged", 401, "does not accept")
        await shown.until(await site.token(SCRAPER), 200, "leader_election_master_status")


async def test_while_the_api_server_is_away_who_was_known_goes_on_scraping(site: Site, fault_proxy: FaultProxy) -> None:
    reviews = r"tokenreviews|subjectaccessreviews"
    async with program(site, fault_proxy.url) as shown:
        known, other = await asyncio.gather(site.token(SCRAPER), site.token(SCRAPER))
        await shown.until(known, 200, "leader_election_master_status")
        fault_proxy.add(Rule(Drop(), path=reviews, times=None))
        await shown.until(other, 503, "cannot be asked")
        assert (await shown.scrape(known))[0] == 200
        fault_proxy.heal()
        await shown.until(other, 200, "leader_election_master_status")


async def test_a_program_without_the_right_to_ask_says_so(site: Site, fault_proxy: FaultProxy) -> None:
    async with program(site, fault_proxy.url) as shown:
        fault_proxy.add(Rule(Reply(403, "Forbidden"), path="tokenreviews", times=None))
        await shown.until(await site.token(SCRAPER), 503, "has to create tokenreviews and subjectaccessreviews")
