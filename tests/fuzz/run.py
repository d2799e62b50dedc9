"""One review through everything the webhook does with a body, and what must be true of every answer."""

import gc
import json
import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Final

from controller.api.messages import TEXT_LIMIT
from controller.api.reasons import Reason
from controller.planning.admission.findings import MAX_PROBLEMS, WARNING_LIMIT
from controller.planning.node_facts import node_facts
from controller.planning.site import Site
from tests.fuzz.corpus import config_maps, pool, seeds
from tests.fuzz.mutation import mutate
from tests.reference import ROWS
from webhook.admission import Judge
from webhook.counters import count_verdict
from webhook.review import (
    API_VERSION,
    BAD_REQUEST,
    KIND,
    UNPROCESSABLE,
    Decide,
    MalformedReviewError,
    parse_review,
    render_answer,
)

REASONS: Final = frozenset(str(reason) for reason in Reason)
ENVELOPE_ERROR_LIMIT: Final = 300
"""Characters of the plain text that answers a body which is no review."""

GROWTH_LIMIT: Final = 16 << 20
"""Bytes the second half of a run may add to the process: caches are full by then."""


@dataclass(slots=True)
class Tally:
    """What a run met.

    Attributes:
        outcomes: answers by kind: allowed, refused, unreadable, malformed.
        reasons: refusals by reason code.
        growth: bytes of memory the second half of the run added.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    growth: int = 0


def bodies(seed: int, count: int) -> Iterator[bytes]:
    """Mutated reviews; the same seed makes the same ones."""
    random = Random(seed)
    texts = seeds()
    values = pool(texts)
    for _ in range(count):
        yield mutate(random, random.choice(texts), values)


def installations() -> tuple[Site, ...]:
    """One that makes nodes and one on existing nodes; both know the ConfigMaps of the corpus."""
    nodes = tuple(
        node_facts({"metadata": {"name": name, "labels": dict(labels)}, "status": {}})
        for row in ROWS
        for name, labels in row.nodes.items()
    )
    made = Site(config_maps=config_maps)
    return made, replace(made, auto_provision=False, nodes=lambda: nodes)


def run(count: int, seed: int, sites: Sequence[Site]) -> Tally:
    """Asks both webhooks of each installation in turn; an AssertionError names the body of the first wrong answer."""
    tally = Tally()
    decides: tuple[Decide, ...] = tuple(
        decide for site in sites for judge in (_judge(site),) for decide in (judge.mutate, judge.validate)
    )
    half = 0
    for index, body in enumerate(bodies(seed, count)):
        if index == count // 2:
            half = memory()
        try:
            status, answer = answered(decides[index % len(decides)], body)
            check(status, answer, tally)
        except Exception as error:
            raise AssertionError(f"review {index} of seed {seed}: {error!r}: {body[:3000]!r}") from error
    tally.growth = memory() - half
    return tally


def _judge(site: Site) -> Judge:
    return Judge(lambda: site)


def answered(decide: Decide, body: bytes) -> tuple[int, bytes]:
    """What the server makes of a body between reading it and sending the answer."""
    try:
        review = parse_review(body)
        verdict = decide(review)
        count_verdict(review, verdict)
        return HTTPStatus.OK, render_answer(review, verdict)
    except MalformedReviewError as error:
        return HTTPStatus.BAD_REQUEST, str(error).encode()


def check(status: int, answer: bytes, tally: Tally) -> None:
    """An answer is a client's error in a few words, or a whole AdmissionReview that says yes, or no and why."""
    if status != HTTPStatus.OK:
        assert HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR, f"status {status}"
        assert len(answer) <= ENVELOPE_ERROR_LIMIT, f"an error of {len(answer)} bytes"
        assert b"Traceback" not in answer
        tally.outcomes["malformed"] += 1
        return
    review = json.loads(answer.decode("utf-8"))
    assert (review["apiVersion"], review["kind"]) == (API_VERSION, KIND)
    response = review["response"]
    assert isinstance(response["uid"], str)
    for warning in response.get("warnings", ()):
        assert len(warning) <= WARNING_LIMIT, f"a warning of {len(warning)} characters: {warning}"
    if response["allowed"]:
        assert "status" not in response
        tally.outcomes["allowed"] += 1
        return
    assert "patch" not in response
    _check_refusal(response["status"], tally)


def _check_refusal(status: dict[str, object], tally: Tally) -> None:
    if status["code"] == BAD_REQUEST:
        assert status["message"]
        tally.outcomes["unreadable"] += 1
        return
    assert status["code"] == UNPROCESSABLE
    details = status["details"]
    assert isinstance(details, dict)
    assert 0 < len(details["causes"]) <= MAX_PROBLEMS
    for cause in details["causes"]:
        assert cause["reason"] in REASONS, f"unknown reason {cause['reason']}"
        assert len(cause["message"]) < TEXT_LIMIT + 1, f"{len(cause['message'])} characters: {cause['message']}"
        assert cause["message"].endswith(f"({cause['reason']})"), cause["message"]
        assert cause["message"].isprintable(), cause["message"]
        tally.reasons[cause["reason"]] += 1
    tally.outcomes["refused"] += 1


def memory() -> int:
    """Resident bytes of this process."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
