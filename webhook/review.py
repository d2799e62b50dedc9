"""AdmissionReview v1 in and out; pure.

Facts: `admission.k8s.io/v1` of kubernetes/api, and how kube-apiserver shows a refusal (status code, reason and causes
of the answer reach the user unchanged).
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from controller.api.json import Json, name_of
from controller.api.messages import Problem, quote

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

UNPROCESSABLE: Final = 422
BAD_REQUEST: Final = 400

UID_LENGTH: Final = 128
"""Characters of the longest uid that is answered; the API server sends a UUID of 36."""

NAME_LENGTH: Final = 253
"""Characters of a name that an answer repeats: the longest Kubernetes allows."""


class MalformedReviewError(ValueError):
    """The request body is no AdmissionReview this program can answer; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Review:
    """What the API server asks.

    Attributes:
        uid: identifies the question; the answer repeats it.
        operation: CREATE, UPDATE, DELETE or CONNECT.
        group, kind: of the object.
        subresource: such as `status`; empty for the object itself.
        name: of the object; may be empty while it is to be generated.
        obj: the object as it is to be stored; None on DELETE.
        old: the object as it is stored; None on CREATE.
    """

    uid: str
    operation: str
    group: str
    kind: str
    subresource: str
    name: str
    obj: Json | None
    old: Json | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer.

    Attributes:
        problems: why the request is refused; empty allows it.
        warnings: shown to the user either way.
        operations: JSON patch that completes the object.
        unreadable: what the review lacks to be judged; refuses it like a problem.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    operations: tuple[Json, ...] = ()
    unreadable: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return not self.problems and not self.unreadable


Decide: TypeAlias = Callable[[Review], Verdict]
"""A webhook: pure, total and quick."""


def parse_review(body: bytes) -> Review:
    """The question in a request body.

    Raises:
        MalformedReviewError: not UTF-8, not JSON, nested too deeply, a key given twice, another version or kind, no uid
            to answer to, or one of more than UID_LENGTH characters.
    """
    review = _decode(body)
    if review.get("apiVersion") != API_VERSION or review.get("kind") != KIND:
        found = f"{quote(review.get('apiVersion'), 40)} {quote(review.get('kind'), 40)}"
        raise MalformedReviewError(f"expected {API_VERSION} {KIND}, got {found}")
    request = review.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str) or not request["uid"]:
        raise MalformedReviewError("the AdmissionReview has no request with a uid")
    if len(request["uid"]) > UID_LENGTH:
        raise MalformedReviewError(f"the uid has {len(request['uid'])} characters, at most {UID_LENGTH} are allowed")
    kind = _object(request.get("kind")) or {}
    obj, old = _object(request.get("object")), _object(request.get("oldObject"))
    return Review(
        uid=request["uid"],
        operation=_text(request.get("operation")),
        group=_text(kind.get("group"))[:NAME_LENGTH],
        kind=_text(kind.get("kind"))[:NAME_LENGTH],
        subresource=_text(request.get("subResource")),
        name=(_text(request.get("name")) or (name_of(obj) if obj else ""))[:NAME_LENGTH],
        obj=obj,
        old=old,
    )


def render_answer(review: Review, verdict: Verdict) -> bytes:
    """The AdmissionReview that carries the verdict."""
    response: Json = {"uid": review.uid, "allowed": verdict.allowed}
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    if not verdict.allowed:
        response["status"] = _status(review, verdict)
    elif verdict.operations:
        patch = json.dumps(verdict.operations, separators=(",", ":")).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    answer = {"apiVersion": API_VERSION, "kind": KIND, "response": response}
    return json.dumps(answer, separators=(",", ":")).encode()


def _status(review: Review, verdict: Verdict) -> Json:
    if verdict.unreadable:
        return {"status": "Failure", "code": BAD_REQUEST, "reason": "BadRequest", "message": verdict.unreadable}
    return {
        "status": "Failure",
        "code": UNPROCESSABLE,
        "reason": "Invalid",
        "message": "; ".join(problem.text for problem in verdict.problems),
        "details": {
            "name": review.name,
            "group": review.group,
            "kind": review.kind,
            "causes": [_cause(problem) for problem in verdict.problems],
        },
    }


def _cause(problem: Problem) -> Json:
    # kubectl prints a cause as "field: message", so the message need not begin with the field once more.
    cause = problem.as_cause()
    return {**cause, "message": problem.text.removeprefix(f"{problem.field} ").removeprefix(f"{problem.field}: ")}


def _decode(body: bytes) -> Json:
    try:
        decoded = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except MalformedReviewError:
        raise
    except UnicodeDecodeError as error:
        raise MalformedReviewError(f"the body is not UTF-8: byte {error.start}") from error
    except RecursionError as error:
        raise MalformedReviewError("the body is nested too deeply") from error
    except ValueError as error:
        raise MalformedReviewError(f"the body is not JSON: {quote(error)}") from error
    if not isinstance(decoded, dict):
        raise MalformedReviewError("the body is not a JSON object")
    return decoded


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MalformedReviewError(f"key {quote(twice)} is given twice in one object")
    return table


def _no_constant(word: str) -> None:
    raise MalformedReviewError(f"{word} is not JSON")


def _object(value: Any) -> Json | None:
    return value if isinstance(value, dict) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
