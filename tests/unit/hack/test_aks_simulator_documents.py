"""Scenarios as documents: what they may say, whom their rules concern, and the program that reads them."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.api.json import Json
from hack.aks_simulator.__main__ import main
from hack.aks_simulator.admin import is_loopback
from hack.aks_simulator.scenario import ScenarioError, Subject, first_effects, load_scenario, parse_scenario


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        ({"tming": {}}, "'tming' was unexpected"),
        ({"timing": {"boot_seconds": -1}}, "timing.boot_seconds: -1 is less than the minimum"),
        ({"rules": [{"match": {"poool": "x"}, "hang": True}]}, "rules[0].match"),
        ({"rules": [{"match": {"operation": "put"}, "hang": True}]}, "rules[0].match.operation"),
        ({"rules": [{"times": 1}]}, "rules[0]: needs exactly one of reply, cut"),
        ({"rules": [{"hang": True, "cut": "before"}]}, "rules[0]: needs exactly one of reply, cut"),
        ({"rules": [{"hang": True}, {"hang": True}]}, "more than once"),
        ([], "the document: [] is not of type 'object'"),
    ],
)
def test_a_wrong_document_is_refused_with_the_place(document: Any, finding: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse_scenario(document)
    assert finding in str(refused.value)


@pytest.mark.parametrize(
    ("match", "subject", "expected"),
    [
        ({}, Subject("put_pool", "ws1"), True),
        ({}, Subject("delete_pool", "ws1"), False),
        ({"operation": ["delete_pool"]}, Subject("delete_pool", "ws1"), True),
        ({"pool": "ws*"}, Subject("put_pool", "WS1"), True),
        ({"pool": "ws?"}, Subject("put_pool", "ws12"), False),
        ({"vm_size": "standard_nc*"}, Subject("put_pool", "a", "Standard_NC6s_v3"), True),
        ({"zones": ["1", "2"]}, Subject("put_pool", "a", "b", ("1",)), True),
        ({"zones": ["1"]}, Subject("put_pool", "a", "b", ("1", "2")), False),
        ({"zones": ["1"]}, Subject("put_pool", "a", "b"), False),
    ],
)
def test_whom_a_rule_concerns(match: Json, subject: Subject, expected: bool) -> None:
    rules = parse_scenario({"rules": [{"match": match, "hang": True}]}).rules
    assert bool(first_effects(rules, subject, {})) is expected


def test_a_scenario_file_names_itself_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("quota: {family: 1}", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"scenario.yaml: quota"):
        load_scenario(path)
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(ScenarioError, match="is not YAML"):
        load_scenario(path)
    path.write_text("# nothing yet\n", encoding="utf-8")
    assert load_scenario(path).rules == ()


def test_the_program_explains_why_it_cannot_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("rulez: []", encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        assert main(["--scenario", str(path)]) == 1
    assert "'rulez' was unexpected" in caplog.text
    with pytest.raises(SystemExit):
        main(["--cert", "only"])


async def test_the_program_serves_until_it_is_told_to_stop() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hack.aks_simulator", "--listen", "127.0.0.1:0", stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr
        line = (await process.stderr.readline()).decode()
        async with aiohttp.ClientSession() as session:
            response = await session.get(line.split()[-1] + "/_sim/state")
            assert [pool["name"] for pool in (await response.json())["pools"]] == ["nodepool1"]
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.9", True), ("::1", True), ("10.0.0.1", False), (None, False), ("x", False)]
)
def test_only_this_machine_reaches_the_admin_surface(address: str | None, expected: bool) -> None:
    assert is_loopback(address) is expected
