"""Where an installation pulls the images from that the project names: the published ones, or its own copies of them.

Images users name in a Workspace are left as they are written.
"""

import re
from dataclasses import dataclass
from typing import Final

from controller.planning.names import is_subdomain

_DEFAULT_REGISTRY: Final = "docker.io"
_DEFAULT_FOLDER: Final = "library"

_HOST: Final = r"(?:localhost|[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?)(?::[0-9]{1,5})?"
_PATH: Final = r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
_PREFIX: Final = re.compile(_HOST + _PATH, re.ASCII)


@dataclass(frozen=True, slots=True)
class Registries:
    """Where images come from.

    Attributes:
        rewrites: pairs of a registry, or a folder in one, and what takes its place; the longest goes first.
        pull_secrets: names of Secrets every pod with such an image is given; they stand in the Workspace's namespace.
    """

    rewrites: tuple[tuple[str, str], ...] = ()
    pull_secrets: tuple[str, ...] = ()

    def image(self, reference: str) -> str:
        """The image to pull for a published one; the same where no rewrite speaks of it."""
        full = qualified(reference)
        for source, target in self.rewrites:
            if full.startswith(f"{source}/"):
                return f"{target}/{full.removeprefix(f'{source}/')}"
        return reference


PUBLISHED: Final = Registries()
"""Every image comes from where it was published."""


def qualified(reference: str) -> str:
    """The image with its registry; one without is Docker Hub's. Source: distribution/reference."""
    first, slash, _ = reference.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return reference
    return f"{_DEFAULT_REGISTRY}/{reference}" if slash else f"{_DEFAULT_REGISTRY}/{_DEFAULT_FOLDER}/{reference}"


def parse_rewrites(text: str) -> tuple[tuple[str, str], ...]:
    """The rewrites in `FROM=TO,FROM=TO`, longest first.

    Raises:
        ValueError: a pair that is none, a side that is no registry, or a registry that is named twice.
    """
    pairs: dict[str, str] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        source, equals, target = (part.strip().removesuffix("/") for part in entry.partition("="))
        if not equals:
            raise ValueError(f"expected FROM=TO, got {entry!r}")
        for side in (source, target):
            if not _is_registry(side):
                raise ValueError(
                    f"{side!r} is no registry such as mcr.microsoft.com or registry.example.com:5000/copies"
                )
        if source in pairs:
            raise ValueError(f"{source!r} is rewritten twice")
        pairs[source] = target
    return tuple(sorted(pairs.items(), key=lambda pair: (-len(pair[0]), pair)))


def parse_secret_names(text: str) -> tuple[str, ...]:
    """Names of Secrets, separated by commas.

    Raises:
        ValueError: a text that names no object.
    """
    names = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    for name in names:
        if not is_subdomain(name):
            raise ValueError(f"{name!r} is no name of a Secret")
    return names


def _is_registry(text: str) -> bool:
    host = text.partition("/")[0]
    return _PREFIX.fullmatch(text) is not None and (host == "localhost" or "." in host or ":" in host)
