"""AdmissionReviews as the API server sends them."""

import base64
import json
from typing import Any

from controller.api.json import Json

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
KIND = {"group": "kaito.sh", "version": "v1alpha1", "kind": "Workspace"}


def review(obj: Any = None, old: Any = None, *, operation: str = "CREATE", **request: Any) -> Json:
    """One question; keywords replace fields of the request, None removes them."""
    content = {
        "uid": UID,
        "kind": KIND,
        "operation": operation,
        "name": "workspace-phi-3-mini",
        "namespace": "default",
        "dryRun": False,
        "object": obj,
        "oldObject": old,
        **request,
    }
    kept = {key: value for key, value in content.items() if value is not None or key in ("object", "oldObject")}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": kept}


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def response_of(body: bytes) -> Json:
    """The response in an answer, after checking its envelope."""
    answer: Json = json.loads(body)
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == UID, "the answer must repeat the uid of the question"
    response: Json = answer["response"]
    return response


def patch_of(response: Json) -> list[Json]:
    """The JSON patch an answer carries."""
    assert response["patchType"] == "JSONPatch"
    operations: list[Json] = json.loads(base64.b64decode(response["patch"]))
    return operations
