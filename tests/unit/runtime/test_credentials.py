"""Who we are, and how a token stays good."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import incluster_config

from controller.runtime import credentials
from controller.runtime.errors import SetupError


def write_kubeconfig(folder: Path, user: dict[str, Any], server: str = "http://127.0.0.1:1") -> Path:
    path = folder / "config"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(config))
    return path


async def sent(configuration: Configuration) -> str:
    """The Authorization header the next request would carry."""
    async with ApiClient(configuration) as api:
        prepared = await api.param_serialize("GET", "/api", header_params={"A": "b"}, auth_settings=["BearerToken"])
        return str(prepared[2].get("authorization", ""))


async def test_a_fixed_token_is_sent_and_never_renewed(tmp_path: Path) -> None:
    configuration, held = await credentials.load(write_kubeconfig(tmp_path, {"token": "fixed"}))
    assert await sent(configuration) == held.token == "Bearer fixed"
    assert not await held.renew("Bearer fixed")


async def test_a_certificate_needs_no_token(tmp_path: Path) -> None:
    configuration, held = await credentials.load(write_kubeconfig(tmp_path, {}))
    assert await sent(configuration) == held.token == ""


async def test_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    configuration, held = await credentials.load(write_kubeconfig(tmp_path, {"tokenFile": "token"}))
    (tmp_path / "token").write_text("two\n")
    assert await sent(configuration) == "Bearer one", "within the minute the file is left alone"
    held._due = 0.0
    assert await sent(configuration) == "Bearer two"


async def test_the_pods_service_account_is_used_and_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("pod-one\n")
    authority.write_text("not empty")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    for module, name, path in (
        (credentials, "SERVICE_TOKEN_FILENAME", token),
        (incluster_config, "SERVICE_TOKEN_FILENAME", token),
        (incluster_config, "SERVICE_CERT_FILENAME", authority),
    ):
        monkeypatch.setattr(module, name, str(path))
    configuration, held = await credentials.load(None)
    assert (configuration.host, configuration.ssl_ca_cert) == ("https://10.0.0.1:443", str(authority))
    assert held.token == "Bearer pod-one"
    token.write_text("pod-two\n")
    assert await held.renew("Bearer pod-one")
    assert held.token == "Bearer pod-two"


async def test_without_a_pod_the_default_kubeconfig_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path, {"token": "mine"}, "http://there:9")))
    configuration, held = await credentials.load(None)
    assert (configuration.host, held.token) == ("http://there:9", "Bearer mine")


async def test_several_files_are_one_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    other = tmp_path / "other"
    other.write_text("apiVersion: v1\nkind: Config\n")
    path = write_kubeconfig(tmp_path, {"token": "mine"}, "http://there:9")
    monkeypatch.setenv("KUBECONFIG", f"{other}{os.pathsep}{path}")
    configuration, held = await credentials.load(None)
    assert (configuration.host, held.token) == ("http://there:9", "Bearer mine")


def plugin(folder: Path, *, expires: timedelta | None) -> dict[str, Any]:
    """An exec plug-in that counts its runs and gives the count as token."""
    count = folder / "count"
    count.write_text("")
    status = {"token": "TOKEN"}
    if expires is not None:
        status["expirationTimestamp"] = (datetime.now(UTC) + expires).strftime("%Y-%m-%dT%H:%M:%SZ")
    reply = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    program = (
        f"p = {str(count)!r}; open(p, 'a').write('x'); n = len(open(p).read());"
        f"print({json.dumps(reply)!r}.replace('TOKEN', 'run' + str(n)))"
    )
    command = {"command": sys.executable, "args": ["-c", program]}
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", **command}}


async def test_a_plugin_runs_again_when_its_token_expired_or_was_refused(tmp_path: Path) -> None:
    _, held = await credentials.load(write_kubeconfig(tmp_path, plugin(tmp_path, expires=timedelta(minutes=-1))))
    assert held.token == "Bearer run2", "the first answer had expired"
    assert await held.renew("Bearer run2")
    assert held.token == "Bearer run3"
    assert not await held.renew("Bearer run3"), "refused twice within a second: the plug-in is not the trouble"


async def test_a_plugin_is_left_alone_while_its_token_is_good(tmp_path: Path) -> None:
    _, held = await credentials.load(write_kubeconfig(tmp_path, plugin(tmp_path, expires=timedelta(hours=1))))
    held._due = 0.0
    await held.refresh()
    assert held.token == "Bearer run1"


async def test_a_plugin_that_gives_nothing_stops_the_start(tmp_path: Path) -> None:
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}}
    with pytest.raises(SetupError, match="exec plug-in false gave no credential"):
        await credentials.load(write_kubeconfig(tmp_path, user))
