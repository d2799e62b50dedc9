"""Where a cluster keeps its files: one directory, every path named once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""The root of the checkout: manifests and programs are taken from here."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one cluster under its directory."""

    root: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def state(self) -> Path:
        """What runs, as JSON; written by the supervisor only."""
        return self.root / "state.json"

    @property
    def request(self) -> Path:
        """What was asked for, as JSON; written by `up`."""
        return self.root / "request.json"

    @property
    def up_lock(self) -> Path:
        """Held by `up` and `down` while they change the cluster."""
        return self.root / "up.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor for its whole life."""
        return self.root / "supervisor.lock"

    @property
    def audit_log(self) -> Path:
        """One JSON line per request to the API server."""
        return self.root / "audit.log"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def configuration(self) -> Path:
        """Configuration files of the control plane and kubeconfigs of its clients."""
        return self.root / "config"

    @property
    def etcd(self) -> Path:
        """The data of etcd."""
        return self.root / "etcd"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.root / "logs"

    def log(self, name: str) -> Path:
        """The log of one process, over all its restarts."""
        return self.logs / f"{name}.log"

    def client_kubeconfig(self, name: str) -> Path:
        """The kubeconfig of a component or a program."""
        return self.configuration / f"{name}.kubeconfig"

    def token(self, name: str) -> Path:
        """The file with a program's service account token, replaced before it expires."""
        return self.configuration / f"{name}.token"

    def certificate(self, name: str) -> Path:
        """A certificate in PEM form."""
        return self.pki / f"{name}.crt"

    def key(self, name: str) -> Path:
        """A private key in PEM form."""
        return self.pki / f"{name}.key"

    def create(self) -> None:
        """Make the directories; private, since keys live in them."""
        for directory in (self.root, self.pki, self.configuration, self.logs):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove everything a cluster leaves behind except its logs; never more than the names of this class."""
        for directory in (self.pki, self.configuration, self.etcd):
            shutil.rmtree(directory, ignore_errors=True)
        for file in (self.kubeconfig, self.state, self.request):
            file.unlink(missing_ok=True)

    def clear_logs(self) -> None:
        """Remove the logs of an earlier cluster, before a new one starts."""
        shutil.rmtree(self.logs, ignore_errors=True)
        for file in self.root.glob("audit*.log"):
            file.unlink()


def write_private(path: Path, content: str | bytes) -> None:
    """Replace a file in one step, readable by its owner only."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(data)
    temporary.replace(path)


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log; empty when there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 32_768))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
