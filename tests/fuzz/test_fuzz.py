"""A short part of the fuzzing on every run; `make fuzz` asks a hundred thousand times."""

from collections.abc import AsyncIterator

import pytest

from controller.planning.site import Site
from controller.runtime.metrics import REGISTRY
from tests.fuzz.corpus import seeds
from tests.fuzz.run import GROWTH_LIMIT, Tally, answered, bodies, check, installations, run
from tests.unit.webhook.place import MUTATE, VALIDATE, Place, running
from webhook.admission import Judge

IN_PROCESS, OVER_TLS, SEED = 5_000, 1_000, 20_261_122


def test_every_mutated_review_gets_a_proper_answer_in_bounded_memory() -> None:
    tally = run(IN_PROCESS, SEED, installations())
    assert tally.outcomes.keys() >= {"allowed", "refused", "unreadable", "malformed"}, "mutation lost its variety"
    assert len(tally.reasons) >= 8, f"mutation meets too few rules: {tally.reasons}"
    assert tally.growth < GROWTH_LIMIT, f"{tally.growth} bytes more after the second half"


@pytest.mark.parametrize("seed", seeds(), ids=lambda _: "review")
def test_what_mutation_starts_from_is_a_review(seed: str) -> None:
    status, answer = answered(Judge(Site).validate, seed.encode())
    check(status, answer, tally := Tally())
    assert tally.outcomes.keys() <= {"allowed", "refused"}


def test_the_same_seed_makes_the_same_reviews() -> None:
    assert list(bodies(SEED, 20)) == list(bodies(SEED, 20))
    assert list(bodies(SEED, 20)) != list(bodies(SEED + 1, 20))


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running() as made:
        yield made


async def test_mutated_reviews_over_tls_never_break_the_server(place: Place) -> None:
    panics = REGISTRY.get_sample_value("controller_runtime_webhook_panics_total") or 0.0
    tally = Tally()
    for index, body in enumerate(bodies(SEED + 1, OVER_TLS)):
        status, answer = await place.post((MUTATE, VALIDATE)[index % 2], body)
        check(status, answer, tally)
    assert tally.outcomes.total() == OVER_TLS
    assert (REGISTRY.get_sample_value("controller_runtime_webhook_panics_total") or 0.0) == panics
