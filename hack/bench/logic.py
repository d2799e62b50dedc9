"""What judging costs in itself: no network, no TLS, one thread."""

import time
from collections.abc import Callable
from typing import Any

from controller.api.json import Json
from controller.catalog import Cloud, load_catalog
from controller.planning.site import Site
from hack.bench.figures import Figure, latencies
from hack.bench.mix import CONFIG_DATA, CONFIG_MAP, MUTATE, VALIDATE, admission_review, mix, preset, workspace
from webhook.admission import Judge
from webhook.review import Decide, Verdict, parse_review, render_answer

ROUNDS = 400


def measure() -> list[Figure]:
    """Latency of decisions nobody asked for before, of those of the mix, and of everything done with a body."""
    site = Site(load_catalog(), config_maps=lambda _, name: CONFIG_DATA if name == CONFIG_MAP else None)
    judge = Judge(lambda: site)
    decides: dict[str, Decide] = {MUTATE: judge.mutate, VALIDATE: judge.validate}
    # First, before anything is remembered.
    first = [_seconds(judge.mutate, parse_review(admission_review(manifest))) for manifest in _every_pair(site)]
    questions = mix()
    reviews = [(parse_review(question.body), decides[question.path]) for question in questions]
    for question, (review, decide) in zip(questions, reviews, strict=True):
        _insist(question.name, decide(review), allowed=question.allowed)
    decisions = [_seconds(decide, review) for _ in range(ROUNDS) for review, decide in reviews]
    whole = [_seconds(_answer(decides[each.path]), each.body) for _ in range(ROUNDS) for each in questions]
    return [
        *latencies("logic-first", "decision, each preset on each size once", first),
        *latencies("logic", "decision, the mix", decisions),
        *latencies("in-process", "parse, decide and render, the mix", whole),
    ]


def _every_pair(site: Site) -> list[Json]:
    sizes = ["", *(sku.name for sku in site.catalog.listing(Cloud.AZURE))]
    return [workspace("first", size, inference=preset(name)) for name in site.catalog.preset_names for size in sizes]


def _insist(name: str, verdict: Verdict, *, allowed: bool) -> None:
    if verdict.allowed is not allowed:
        raise RuntimeError(f"{name}: expected allowed={allowed}, got {verdict}")


def _answer(decide: Decide) -> Callable[[bytes], bytes]:
    def answer(body: bytes) -> bytes:
        review = parse_review(body)
        return render_answer(review, decide(review))

    return answer


def _seconds(work: Callable[[Any], object], value: object) -> float:
    begin = time.perf_counter()
    work(value)
    return time.perf_counter() - begin
