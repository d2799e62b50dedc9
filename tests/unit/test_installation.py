"""What the programs are told of the installation at their start."""

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from controller import installation
from controller.catalog import Catalog, Cloud
from controller.catalog.overrides import Merged, OverrideProblem
from controller.installation import Installation, SiteOptions, add_site_options, site_options
from controller.planning.site import Site
from controller.reconcilers.installation import summary


def parse(*argv: str) -> SiteOptions:
    parser = argparse.ArgumentParser()
    add_site_options(parser)
    return site_options(parser, parser.parse_args(argv))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAITO_CLOUD", "CLOUD_PROVIDER", "KAITO_REGION", "LOCATION", "KAITO_ALLOWED_INSTANCE_TYPES"):
        monkeypatch.delenv(name, raising=False)


def test_unasked_it_is_azure_with_every_size_and_no_region() -> None:
    assert parse() == SiteOptions(Cloud.AZURE, "", frozenset())


def test_the_variables_of_other_provisioners_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_PROVIDER", "aws")
    monkeypatch.setenv("LOCATION", "US-East-1")
    assert parse() == SiteOptions(Cloud.AWS, "us-east-1")
    assert parse("--cloud=azure", "--region=East US 2") == SiteOptions(Cloud.AZURE, "eastus2")


def test_the_site_is_of_that_cloud_and_region() -> None:
    site = parse("--cloud=aws", "--allowed-instance-types=g5.xlarge, G6.xlarge").site(auto_provision=False)
    assert site.catalog.cloud is Cloud.AWS
    assert not site.auto_provision
    assert site.allowed == {"g5.xlarge", "g6.xlarge"}
    assert site.catalog.sku("g5.xlarge") in site.catalog.skus.values()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--cloud=mars",), "expected one of azure, aws, arc"),
        (
            ("--allowed-instance-types=Standard_NC6s_v3,Standard_NC24ad_A100_v4",),
            "'Standard_NC24ad_A100_v4' is no size of azure, did you mean Standard_NC24ads_A100_v4?",
        ),
        (("--cloud=aws", "--allowed-instance-types=Standard_NC6s_v3"), "'Standard_NC6s_v3' is no size of aws"),
        (("--allowed-instance-types=???",), "'???' is no size of azure"),
    ],
)
def test_a_wrong_option_ends_the_start(argv: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(*argv)
    assert says in " ".join(capsys.readouterr().err.split())


def test_an_event_tells_the_first_problems_and_the_number_of_others() -> None:
    problems = tuple(OverrideProblem("prices.yaml", line, "size: is needed") for line in range(2, 9))
    text = summary(problems)
    assert text.startswith("left out, the rest is used: prices.yaml:2: size: is needed; prices.yaml:3: ")
    assert text.endswith("prices.yaml:6: size: is needed; and 2 more")


async def test_a_defect_in_reading_leaves_out_the_rest_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def halfway(catalog: Catalog, _: Mapping[str, str]) -> Iterator[Merged]:
        yield Merged(catalog, (OverrideProblem("prices.yaml", 2, "before"),))
        raise KeyError("nobody thought of it")

    monkeypatch.setattr(installation, "merging", halfway)
    client: Any = None
    told = Installation(client, "kaito-system", Site())
    running = asyncio.create_task(told.run())
    merged = await told.differs(None)
    assert [(problem.source, problem.message[:6]) for problem in merged.problems] == [
        ("prices.yaml", "before"),
        ("kaito-catalog", "what i"),
    ]
    assert told.problem() == ""
    assert not running.done()
    running.cancel()
