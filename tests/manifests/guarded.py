"""Every replica of an installation shows its metrics to those only who may see them."""

import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp

from controller.api.json import name_of
from hack.devcluster.programs import NAMESPACE
from hack.nodeagent.addresses import local_of
from tests.cluster.harness import Cluster, eventually
from tests.manifests.building import Json, build, of_kind, pod_template

SCRAPER, READER = "default", "kaito-metrics-reader"
PATIENCE_SECONDS = 60.0


async def metrics_guarded(site: Cluster) -> None:
    """Fails unless every pod of ours refuses a scrape without a token, and answers one with the shipped role."""
    async with scraper(site) as token, aiohttp.ClientSession() as session:

        async def guarded() -> str:
            pods = (await site.get("pods", f"--namespace={NAMESPACE}"))["items"]
            found = {name_of(pod): await answers(session, pod, token) for pod in pods}
            wrong = {name: codes for name, codes in found.items() if codes != (HTTPStatus.UNAUTHORIZED, HTTPStatus.OK)}
            return f"answers without and with a token: {wrong}" if wrong or not found else ""

        await eventually(guarded, PATIENCE_SECONDS)


async def answers(session: aiohttp.ClientSession, pod: Json, token: str) -> tuple[int, int]:
    """The codes of a scrape without a token and of one with it; 0 where nothing answers."""
    url = f"https://{local_of(pod['status'].get('podIP', ''))}:{PORT}/metrics"
    codes = []
    for headers in ({}, {"Authorization": f"Bearer {token}"}):
        try:
            async with session.get(url, headers=headers, ssl=False) as reply:
                codes.append(reply.status)
        except aiohttp.ClientError:
            codes.append(0)
    return codes[0], codes[1]


@contextlib.asynccontextmanager
async def scraper(site: Cluster) -> AsyncIterator[str]:
    """A token of an account that has the shipped role for scrapers while the block runs."""
    binding = f"--clusterrole={READER}", f"--serviceaccount={SCRAPER}:{SCRAPER}"
    await site.kubectl("create", "clusterrolebinding", READER, *binding)
    try:
        async with site.api() as api:
            yield await api.create_token(SCRAPER, SCRAPER, 3600)
    finally:
        await site.kubectl("delete", "clusterrolebinding", READER)


(PORT,) = {
    port["containerPort"]
    for deployment in of_kind(build("base"), "Deployment")
    for port in pod_template(deployment)["spec"]["containers"][0]["ports"]
    if port["name"] == "metrics"
}
