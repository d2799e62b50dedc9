"""What the webhook and the operator know of the installation they serve: told at the start, or found in a ConfigMap.

The ConfigMap `kaito-catalog` in the programs' own namespace adds presets, machine sizes and prices, or changes them;
it may come, change and go while the programs run.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.api.json import Json, metadata_of
from controller.api.resources import CONFIG_MAPS
from controller.catalog import Cloud, load_catalog
from controller.catalog.overrides import (
    PRESETS_DOCUMENT,
    PRICES_DOCUMENT,
    SIZES_DOCUMENT,
    Merged,
    OverrideProblem,
    merging,
)
from controller.planning.names import nearest
from controller.planning.site import Site
from controller.runtime import logs, metrics
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.options import one_of, option

log = logs.get_logger(__name__)

CATALOG_NAME: Final = "kaito-catalog"
"""Name of the ConfigMap that is laid over the shipped catalogue."""

OTHER_DOCUMENT: Final = "other"
"""Label value for documents nobody knows, so that a ConfigMap's keys cannot grow the series."""

LOGGED: Final = 20
"""Problems of one ConfigMap that are logged, one line each."""

_ALLOWED: Final = "--allowed-instance-types"

PROBLEMS: Final = metrics.gauge(
    "kaito_catalog_override_problems", "Entries of the ConfigMap kaito-catalog that are left out.", ("document",)
)


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """What the programs are told of the installation at their start.

    Attributes:
        cloud: where nodes are made.
        region: the cloud's region; empty where nobody said it.
        allowed: lower-case names of the sizes nodes may be made of; empty allows all.
    """

    cloud: Cloud = Cloud.AZURE
    region: str = ""
    allowed: frozenset[str] = frozenset()

    def site(self, *, auto_provision: bool) -> Site:
        """The installation with the catalogue that ships."""
        return Site(load_catalog().at(self.cloud), auto_provision, self.region, self.allowed)


def add_site_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options of SiteOptions; read them back with `site_options`."""
    clouds = [*Cloud]
    option(parser, "--cloud", also="CLOUD_PROVIDER", parse=one_of(clouds), default="azure", help=", ".join(clouds))
    option(parser, "--region", also="LOCATION", parse=_region, default="", help="The cloud's region, for prices")
    what = "Machine sizes nodes may be made of, separated by commas; all if empty"
    option(parser, _ALLOWED, default="", help=f"{what}. Sizes the ConfigMap {CATALOG_NAME} adds are allowed too")


def site_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> SiteOptions:
    """The options in parsed arguments; a size nobody knows ends the process like any usage error."""
    given: Mapping[str, Any] = vars(args)
    cloud = Cloud(given["cloud"])
    try:
        return SiteOptions(cloud, given["region"], _sizes(given["allowed_instance_types"], cloud))
    except ValueError as error:
        parser.error(f"{_ALLOWED}: {error}")


def _region(text: str) -> str:
    """The region as prices name it: `East US` is eastus."""
    return "".join(text.split()).lower()


def _sizes(text: str, cloud: Cloud) -> frozenset[str]:
    known = {sku.name.lower(): sku for sku in load_catalog().at(cloud).skus.values()}
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    for name in wanted:
        sku = known.get(name.lower())
        if sku is None or sku.alias_of:
            close = [sku.alias_of] if sku else nearest(name, (each.name for each in known.values()), limit=1)
            raise ValueError(f"{name!r} is no size of {cloud}" + (f", did you mean {close[0]}?" if close else ""))
    return frozenset(name.lower() for name in wanted)


class Installation:
    """The installation as it is known now.

    Args:
        client: to the API server.
        namespace: the programs' own, where the ConfigMap is.
        site: the installation without the ConfigMap.
    """

    def __init__(self, client: Client, namespace: str, site: Site) -> None:
        self.informer = Informer(
            client,
            CONFIG_MAPS,
            namespace=namespace,
            fields=f"metadata.name={CATALOG_NAME}",
            transform=_slim,
            name="catalog",
        )
        self.merged: Merged | None = None
        self._namespace = namespace
        self._base = self._site = site
        self._changed, self._news = asyncio.Event(), asyncio.Event()
        self.informer.on_change(lambda old, new: self._changed.set())

    def site(self) -> Site:
        """The installation; the same value until its catalogue changes."""
        return self._site

    @property
    def config_map(self) -> Json | None:
        """The ConfigMap as last seen, without its bookkeeping."""
        return self.informer.get(CATALOG_NAME, self._namespace)

    def problem(self) -> str:
        """Why nobody should be answered yet; empty once the catalogue is whole."""
        return "" if self.merged else "the catalogue is not read yet"

    async def differs(self, seen: Merged | None) -> Merged:
        """Waits until the catalogue is another one than `seen`, and gives it."""
        while self.merged is None or self.merged is seen:
            await self._news.wait()
        return self.merged

    async def run(self) -> None:
        """Keeps the catalogue up to date until cancelled; runs once the informer has synced."""
        documents: Json | None = None
        while True:
            self._changed.clear()
            found = (self.config_map or {}).get("data") or {}
            if found != documents:
                documents = found
                await self._lay_over(found)
            await self._changed.wait()

    async def _lay_over(self, documents: Mapping[str, str]) -> None:
        merged = Merged(self._base.catalog)
        try:
            for merged in merging(self._base.catalog, documents):  # noqa: B007 - the last one is wanted
                await asyncio.sleep(0)
        except Exception:
            # Nobody is served by a program that ends over one entry, again after every restart.
            log.exception("ConfigMap %s: a defect keeps the program from reading on", CATALOG_NAME)
            left = OverrideProblem(CATALOG_NAME, 1, "what is not read yet is left out: a defect, see the log")
            merged = merged._replace(problems=(*merged.problems, left))
        own = merged.catalog.skus.keys() - self._base.catalog.skus.keys()
        allowed = self._base.allowed | own if self._base.allowed else self._base.allowed
        self._site = replace(self._base, catalog=merged.catalog, allowed=allowed)
        self.merged = merged
        _report(merged, documents)
        self._news.set()
        self._news = asyncio.Event()


def _slim(obj: Json) -> Json:
    metadata = {key: value for key, value in metadata_of(obj).items() if key in _KEPT}
    return {**{key: obj[key] for key in ("apiVersion", "kind", "data") if key in obj}, "metadata": metadata}


_KEPT: Final = ("name", "namespace", "uid", "resourceVersion")


def _report(merged: Merged, documents: Mapping[str, str]) -> None:
    known = (PRESETS_DOCUMENT, SIZES_DOCUMENT, PRICES_DOCUMENT)
    counts = Counter(problem.source if problem.source in known else OTHER_DOCUMENT for problem in merged.problems)
    for document in (*known, OTHER_DOCUMENT):
        PROBLEMS.labels(document).set(counts[document])
    log.info("catalogue read", extra=logs.fields(documents=len(documents), problems=len(merged.problems)))
    for problem in merged.problems[:LOGGED]:
        log.warning("%s:%d is left out: %s", problem.source, problem.line, problem.message)
