"""What a manifest points to by name: images and the objects of its namespace, and placeholders left where names belong.

Source of the grammar of images: distribution/reference.
"""

import re
from typing import Final

from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.planning.names import SUBDOMAIN_LENGTH, is_image, is_subdomain

DOCKER_HUB: Final = "docker.io"
LATEST: Final = "latest"

_PLACEHOLDER: Final = re.compile(
    r"<[^<>]{1,60}>|\$?\{[^{}]{1,60}\}|[A-Z0-9_]{1,60}_HERE(?![A-Za-z0-9])|(?<![A-Za-z0-9])YOUR[-_][A-Za-z0-9_-]{1,60}",
    re.ASCII,
)
_SHOUTED: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![A-Za-z0-9])", re.ASCII)
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SEARCHED: Final = 1024


def placeholder_in(text: str, *, valid: bool) -> str:
    """The part of a text that looks as if it was to be replaced; empty where nothing does.

    Words such as `IMAGE_NAME` count only in a text that is not valid anyway: tags may be written so.

    Args:
        text: what the user wrote.
        valid: whether it could be what it stands for.
    """
    head = text[:_SEARCHED]
    found = _PLACEHOLDER.search(head) or (None if valid else _SHOUTED.search(head))
    return found[0] if found is not None else ""


def image_problem(image: str, field: str) -> Problem | None:
    """Why a text cannot be the image it stands for; None where it can.

    Args:
        image: the reference; registry, tag and digest may be missing.
        field: where it stands.
    """
    valid = is_image(image) and _HASH.fullmatch(image) is None
    placeholder = placeholder_in(image, valid=valid)
    if placeholder:
        return _placeholder(Reason.IMAGE_INVALID, image, field, placeholder)
    if valid:
        return None
    what = f"{field} {quote(image)} is no image reference"
    if _HASH.fullmatch(image):
        why = "64 hexadecimal digits are the ID of an image on one machine, no name of it"
    else:
        why = "it has the form registry/path:tag of at most 512 characters with a path in lower case"
    fixes = [f"use {quote(lowered)}"] if is_image(lowered := _lowered(image)) and lowered != image else []
    return Problem(
        Reason.IMAGE_INVALID, field, what, why, (*fixes, "use a form such as registry.example.com/team/data:1")
    )


def name_problem(name: str, field: str, thing: str) -> Problem | None:
    """Why a text cannot name an object of the namespace; None where it can.

    Args:
        name: what the user wrote.
        field: where it stands.
        thing: what it is to name, such as `Secret`.
    """
    valid = is_subdomain(name)
    placeholder = placeholder_in(name, valid=valid)
    if placeholder:
        return _placeholder(Reason.NAME_INVALID, name, field, placeholder)
    if valid:
        return None
    if "/" in name:
        why = f"a {thing} is named without its namespace, which is always the Workspace's own"
    else:
        why = f"names are 1 to {SUBDOMAIN_LENGTH} characters of a-z, 0-9, - and ., letters or digits first and last"
    fix = f"name a {thing} of the Workspace's namespace"
    return Problem(Reason.NAME_INVALID, field, f"{field} {quote(name)} is no name of a {thing}", why, (fix,))


def same_image(one: str, other: str) -> bool:
    """Whether two references name the same image of the same registry, written out or not."""
    return _whole(one) == _whole(other)


def is_pinned(image: str) -> bool:
    """Whether a reference names its content by digest, so that nothing else can be stored under it."""
    return "@" in image


def _placeholder(reason: Reason, text: str, field: str, placeholder: str) -> Problem:
    what, why = f"{field} is {quote(text)}", f"{quote(placeholder)} is a placeholder, not a name"
    return Problem(reason, field, what, why, (f"replace the placeholder {quote(placeholder)} by a name of yours",))


def _lowered(image: str) -> str:
    registry, slash, rest = image.rpartition("/")
    path, colon, tag = rest.partition(":")
    return f"{registry.lower()}{slash}{path.lower()}{colon}{tag}"


def _whole(image: str) -> str:
    name, _, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    explicit = slash and (any(sign in first for sign in ".:") or first == "localhost" or first != first.lower())
    registry, path = (first.lower(), rest) if explicit else (DOCKER_HUB, name)
    repository, _, tag = path.partition(":")
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return f"{registry}/{repository}@{digest}" if digest else f"{registry}/{repository}:{tag or LATEST}"
