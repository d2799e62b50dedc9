from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason, needs_people
from controller.planning.containers import Trouble, container_trouble, startup_budgets

BUDGETS = {"phi": 1800.0}


def told(container: Json, *, initial: bool = False) -> Trouble | None:
    return container_trouble("p", {"name": "phi", "image": "reg/i:1", **container}, BUDGETS, initial=initial)


def waiting(reason: str, message: str = "words") -> Json:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def past(code: int, seconds: int | None = None, reason: str = "Error", message: str = "") -> Json:
    times: Json = {}
    if seconds is not None:
        end = f"2026-01-05T1{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}Z"
        times = {"startedAt": "2026-01-05T10:00:00Z", "finishedAt": end}
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, **times}}


RUNNING: Json = {"state": {"running": {"startedAt": "2026-01-05T12:00:00Z"}}}
LOOP = waiting("CrashLoopBackOff", "back-off 40s restarting failed container")

PULLS = [
    # Words of registries and runtimes, as the kubelet passes them on.
    ("failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized", "denies access"),
    ("failed to resolve reference: unexpected status from HEAD request: 403 Forbidden", "denies access"),
    ("pull access denied, repository does not exist or may require authorization", "denies access"),
    ('failed to resolve reference "reg/i:1": reg/i:1: not found', "no such image"),
    ("manifest unknown: manifest tagged by 1 is not found", "no such image"),
    ("no match for platform in manifest: not found", "no such image"),
    ("dial tcp: lookup reg on 10.0.0.10:53: no such host", "cannot be reached"),
    ("net/http: TLS handshake timeout", "cannot be reached"),
    ("write /var/lib/containerd/x: no space left on device", "disk is full"),
    ("unexpected commit digest", "unexpected commit digest"),
]


@pytest.mark.parametrize(("message", "words"), PULLS)
def test_why_an_image_cannot_be_pulled_is_told_apart(message: str, words: str) -> None:
    trouble = told(waiting("ErrImagePull", message))
    assert trouble is not None
    assert trouble.reason is Reason.IMAGE_PULL_FAILED
    assert words in trouble.message
    assert "reg/i:1" in trouble.message
    assert message[:40] in trouble.message, "the registry's own words are not kept"


def test_a_registry_that_asks_for_patience_needs_nobody() -> None:
    words = "toomanyrequests: You have reached your pull rate limit"
    trouble = told(waiting("ErrImagePull", f"unexpected status: 429 Too Many Requests - {words}"))
    assert trouble is not None
    assert trouble.reason is Reason.IMAGE_PULL_THROTTLED
    assert not needs_people(trouble.reason)


def test_an_image_that_is_tried_again_and_again_is_told_in_the_same_words() -> None:
    """The kubelet goes from trying to waiting and back; each change of words would be a write."""
    cause = "rpc error: code = NotFound desc = reg/i:1: not found"
    tries = told(waiting("ErrImagePull", cause))
    waits = told(waiting("ImagePullBackOff", f'Back-off pulling image "reg/i:1": ErrImagePull: {cause}'))
    assert tries == waits is not None


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        ("InvalidImageName", "", "no valid image reference"),
        ("ImagePullBackOff", 'Back-off pulling image "reg/i:1"', "ImagePullBackOff"),
    ],
)
def test_an_image_without_a_message_is_told_by_its_state(reason: str, message: str, words: str) -> None:
    trouble = told(waiting(reason, message))
    assert trouble is not None
    assert trouble.message == "pod p, container phi cannot pull reg/i:1: " + (
        "the name is no valid image reference" if words.startswith("no valid") else words
    )


ENDINGS: list[tuple[str, Json, Reason | None, str]] = [
    ("loops", {**LOOP, "lastState": past(1, message="CUDA error"), "restartCount": 3}, Reason.CONTAINER_CRASHING,
     "ended with exit code 1, 3 restarts: CUDA error"),
    ("runs again in a loop", {**RUNNING, "lastState": past(1), "restartCount": 2}, Reason.CONTAINER_CRASHING, "code 1"),
    ("runs again for the first time", {**RUNNING, "lastState": past(1), "restartCount": 1}, None, ""),
    ("out of memory", {**LOOP, "lastState": past(137, reason="OOMKilled"), "restartCount": 1}, Reason.OUT_OF_MEMORY,
     "lack of memory, 1 restart"),
    ("start-up probe ran out", {**RUNNING, "started": False, "lastState": past(143, 1830), "restartCount": 1},
     Reason.STARTUP_TIMEOUT, "before its probe ever passed (exit code 143), 1 restart; it has 1800 s"),
    ("nobody says how long it ran", {**LOOP, "started": False, "lastState": past(137), "restartCount": 1},
     Reason.STARTUP_TIMEOUT, "before its probe ever passed"),
    ("killed early", {**LOOP, "started": False, "lastState": past(137, 40), "restartCount": 1},
     Reason.CONTAINER_CRASHING, "exit code 137"),
    ("killed by its liveness probe", {**LOOP, "name": "other", "started": False, "lastState": past(137, 4000),
     "restartCount": 4}, Reason.CONTAINER_CRASHING, "exit code 137"),
    ("ended well", {"state": past(0, 10, reason="Completed")}, None, ""),
    ("no such Secret", waiting("CreateContainerConfigError", 'secret "hf" not found'), Reason.CONTAINER_NOT_CREATED,
     'cannot be made: CreateContainerConfigError: secret "hf" not found'),
    ("no such program", waiting("RunContainerError", "exec: no"), Reason.CONTAINER_CRASHING, "cannot be started"),
    ("starts", waiting("ContainerCreating"), None, ""),
    ("runs", RUNNING, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("container", "reason", "words"), [each[1:] for each in ENDINGS], ids=[e[0] for e in ENDINGS])
def test_how_a_container_ended_is_told(container: Json, reason: Reason | None, words: str) -> None:
    trouble = told(container)
    assert (trouble.reason if trouble else None) is reason
    assert words in (trouble.message if trouble else "")


def test_an_initial_container_that_succeeded_at_its_second_try_is_no_trouble() -> None:
    """It is not started any more, and it ended with 0 after a restart: as a stopped server would look."""
    done = {"state": past(0, 30, reason="Completed"), "lastState": past(1, 5), "restartCount": 1, "started": False}
    assert told(done, initial=True) is None


@pytest.mark.parametrize(
    ("probe", "seconds"),
    [
        ({"periodSeconds": 10, "failureThreshold": 180}, {"phi": 1800.0}),
        ({"httpGet": {}}, {"phi": 30.0}),
        ({"initialDelaySeconds": 60, "periodSeconds": 1, "failureThreshold": 5}, {"phi": 65.0}),
        (None, {}),
    ],
)
def test_the_time_a_start_up_probe_gives(probe: Any, seconds: dict[str, float]) -> None:
    container = {"name": "phi", **({"startupProbe": probe} if probe else {})}
    assert startup_budgets({"spec": {"template": {"spec": {"containers": [container]}}}}) == seconds
