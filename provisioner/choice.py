"""Which of the offerings a claim allows is asked for next, and when."""

from datetime import timedelta

from provisioner.history import Failure, failure_of
from provisioner.holds import Choice, Hold, Holds, choose, credible, merged, scope_of
from provisioner.policy import FALLBACK_KINDS
from provisioner.steps import Observed
from provisioner.times import lies_ahead, parse_time
from provisioner.wish import Wish


def next_choice(seen: Observed, wish: Wish) -> Choice:
    """The next offering to ask for.

    A failure that says nothing about the offering, such as a missing right, makes the claim wait as a whole, and so
    does a budget of failed launches that is spent. A spec that has changed since owes nothing to what came before, and
    what was not even asked for waits for its quota alone.
    """
    failure, policy = failure_of(seen.claim), seen.policy
    shared = credible(seen.holds, seen.now)
    if failure is None or failure.generation not in (0, seen.claim.generation):
        return choose(wish.offerings, shared, seen.sizes, policy, seen.now)
    known = merged(shared, credible(_remembered(seen, failure), seen.now))
    choice = choose(wish.offerings, known, seen.sizes, policy, seen.now)
    begun = parse_time(failure.time)
    if begun is None or not failure.asked or lies_ahead(failure.time, seen.now):
        return choice
    delay = policy.launch_delay(failure.kind, failure.attempts) if failure.kind not in FALLBACK_KINDS else 0.0
    if failure.spent >= policy.launch_attempts:
        delay = max(delay, policy.launch_rest)
    after = begun + timedelta(seconds=delay)
    if after <= seen.now or (choice.after is not None and choice.after > after):
        return choice
    return Choice(choice.offering, after, choice.hold)


def _remembered(seen: Observed, failure: Failure) -> Holds:
    """What the claim itself remembers; a record of an earlier release names the last failure only."""
    scope = scope_of(failure.fault, failure.offering, seen.sizes)
    if failure.holds or not scope:
        return failure.holds
    return {scope: Hold(failure.kind, failure.time, failure.attempts)}
