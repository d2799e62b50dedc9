"""Asks the API server whose a token is and what its bearer may do, as every delegating server does.

TokenReview and SubjectAccessReview: kubernetes.io, "Authentication", webhook token authentication, and "Authorization".
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from controller.api.json import Json
from controller.api.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource
from controller.runtime.client import Client
from controller.runtime.gate import Ask, Decision

_OF_USERS: Final = (("username", "user"), ("uid", "uid"), ("groups", "groups"), ("extra", "extra"))
"""What a TokenReview says of somebody, and what a SubjectAccessReview calls it."""

_NOBODYS: Final = Decision(HTTPStatus.UNAUTHORIZED, "the API server does not accept the bearer token")


def asking(client: Client, path: str, verb: str = "get") -> Ask:
    """A question about bearers of tokens: may they `verb` the non-resource URL `path`?"""

    async def ask(token: str) -> Decision:
        status = await _review(client, TOKEN_REVIEWS, {"token": token})
        user = status.get("user") or {}
        if not status.get("authenticated") or not user.get("username"):
            return _NOBODYS
        spec = {name: user[said] for said, name in _OF_USERS if user.get(said)}
        spec["nonResourceAttributes"] = {"path": path, "verb": verb}
        answer = await _review(client, SUBJECT_ACCESS_REVIEWS, spec)
        if answer.get("allowed") is True and not answer.get("denied"):
            return Decision(HTTPStatus.OK)
        return Decision(
            HTTPStatus.FORBIDDEN,
            f"{user['username']} may not {verb} {path}: bind a ClusterRole that allows it, such as "
            "kaito-metrics-reader, to it",
        )

    return ask


async def _review(client: Client, resource: Resource, spec: Mapping[str, Any]) -> Json:
    """The answer; raises ApiError, and never repeats: the caller has other answers for a server that is away."""
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": dict(spec)}
    status: Json = (await client.create(resource, body, timeout=5.0)).get("status") or {}
    return status
