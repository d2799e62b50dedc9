"""Where the API server is and who we are: kubeconfig or pod, with bearer tokens kept current.

The official loaders read a token file or ask an exec plug-in once, or on a fixed beat; a token that was rotated or
revoked early has to be fetched again when the server refuses the old one.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final, Protocol

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.aio.config.incluster_config import SERVICE_HOST_ENV_NAME, SERVICE_TOKEN_FILENAME

from controller.runtime.errors import SetupError

log = logging.getLogger(__name__)

_SCHEME: Final = "BearerToken"
_PERIOD: Final = 60.0
_PLUGIN_DEADLINE: Final = 30.0
_FORCED_PAUSE: Final = 1.0


class TokenSource(Protocol):
    """Gives the Authorization value; `refused` says that the server no longer takes the last one."""

    def __call__(self, *, refused: bool) -> Awaitable[str]:
        """Raises OSError (also when it takes too long) or ValueError."""


class Credentials:
    """The bearer token of one Configuration, renewed every minute and at once when the server refuses it."""

    def __init__(self, configuration: Configuration, source: TokenSource | None) -> None:
        """Hooks into the configuration; without a source (certificates, a fixed token) nothing is ever renewed."""
        self._configuration = configuration
        self._source = source
        self._due = 0.0
        self._forced = float("-inf")
        self._lock = asyncio.Lock()
        if source is not None:
            configuration.api_key.setdefault(_SCHEME, "")
            configuration.refresh_api_key_hook = self._when_due  # type: ignore[assignment]

    @property
    def token(self) -> str:
        """The Authorization value requests carry now; empty when a certificate speaks for us."""
        return str(self._configuration.api_key.get(_SCHEME, ""))

    async def renew(self, refused: str) -> bool:
        """Fetches the token again after `refused` was answered with 401; whether another one is to be tried."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self.token == refused and now - self._forced >= _FORCED_PAUSE:
                self._forced = now
                await self._fetch(refused=True)
            return self.token != refused

    def _when_due(self, _: Configuration) -> Awaitable[None] | None:
        return self.refresh() if asyncio.get_running_loop().time() >= self._due else None

    async def refresh(self) -> None:
        """Fetches the token if its minute is over; the official loaders' own first reading keeps a line end."""
        async with self._lock:
            if asyncio.get_running_loop().time() >= self._due:
                await self._fetch(refused=False)

    async def _fetch(self, *, refused: bool) -> None:
        """A failure keeps the token we have: it may be good for hours, and the server's 401 is the clearer error."""
        if self._source is None:
            return
        self._due = asyncio.get_running_loop().time() + _PERIOD
        try:
            self._configuration.api_key[_SCHEME] = await self._source(refused=refused)
        except (OSError, ValueError) as error:
            log.warning("the bearer token could not be renewed, the present one stays: %s", error)


async def load(kubeconfig: Path | None) -> tuple[Configuration, Credentials]:
    """Configuration and credentials of this process.

    An explicit kubeconfig wins; then the pod's service account; then KUBECONFIG or ~/.kube/config.

    Raises:
        SetupError: nothing usable was found; the text says what was tried.
    """
    configuration = Configuration()
    if kubeconfig is None and _in_pod():
        try:
            load_incluster_config(configuration, try_refresh_token=False)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError) as error:
            raise SetupError(f"the pod's service account is not usable: {error}") from error
        source: TokenSource | None = _file_source(Path(SERVICE_TOKEN_FILENAME))
    else:
        paths = [kubeconfig] if kubeconfig is not None else _default_paths()
        source = await _from_kubeconfig(paths, configuration)
    held = Credentials(configuration, source)
    await held.refresh()
    return configuration, held


def _in_pod() -> bool:
    return bool(os.environ.get(SERVICE_HOST_ENV_NAME)) and Path(SERVICE_TOKEN_FILENAME).is_file()


def _default_paths() -> list[Path]:
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return named or [Path.home() / ".kube" / "config"]


async def _from_kubeconfig(paths: list[Path], configuration: Configuration) -> TokenSource | None:
    shown = os.pathsep.join(map(str, paths))
    if not any(path.is_file() for path in paths):
        raise SetupError(f"kubeconfig {shown} does not exist; give --kubeconfig or KUBECONFIG, or run in a pod")
    try:
        loader: Any = await load_kube_config(  # type: ignore[no-untyped-call]
            config_file=shown, client_configuration=configuration, persist_config=False
        )
        user, folder = _user(paths, str(loader.current_context["context"].get("user", "")))
    except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise SetupError(f"kubeconfig {shown} is not usable: {type(error).__name__}: {error}") from error
    if "exec" in user:
        if not {"token", "cert_file"} & loader.__dict__.keys():
            raise SetupError(f"kubeconfig {shown}: the exec plug-in {user['exec'].get('command')} gave no credential")
        return _plugin_source(loader)
    if "tokenFile" in user and not user.get("token"):
        return _file_source(folder / str(user["tokenFile"]))
    return None


def _user(paths: list[Path], name: str) -> tuple[dict[str, Any], Path]:
    """The user entry of that name, in the first file that has one, and the folder its relative paths start from."""
    for path in paths:
        document = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else None
        for entry in (document or {}).get("users") or []:
            if entry.get("name") == name:
                return entry.get("user") or {}, path.parent
    return {}, Path()


def _file_source(path: Path) -> TokenSource:
    async def read(*, refused: bool) -> str:
        del refused  # the file is the only truth there is
        return f"Bearer {_read_token(path)}"

    return read


def _read_token(path: Path) -> str:
    token = path.read_text("utf-8").strip()
    if not token:
        raise ValueError(f"token file {path} is empty")
    return token


def _plugin_source(loader: Any) -> TokenSource:
    """Runs the kubeconfig's exec plug-in when what it gave expires, or was refused; the loader keeps the expiry."""

    async def run(*, refused: bool) -> str:
        if refused:
            loader.__dict__.pop("exec_plugin_expiry", None)
        if refused or "exec_plugin_expiry" in loader.__dict__:
            async with asyncio.timeout(_PLUGIN_DEADLINE):
                await loader.load_from_exec_plugin()
        return str(loader.__dict__.get("token", ""))

    return run
