"""Launch: from a claim to its agent pool, decided from the pool's state and from what became of earlier attempts.

Nothing here waits for the cloud: the pool carries the claim's name, so one look tells where the launch stands, whoever
started it.
"""

from controller.api.claims import Claim
from controller.api.conditions import TRUE, UNKNOWN, Condition
from controller.api.reasons import MEANINGS, Reason
from provisioner.body import pool_body
from provisioner.choice import next_choice
from provisioner.errors import REASONS, ErrorKind, Fault
from provisioner.history import Failure, failure_of, one_more
from provisioner.holds import Choice, Hold
from provisioner.nodes import Node
from provisioner.offerings import Offering
from provisioner.pools import REQUESTED_TAG, Pool, belongs, subject
from provisioner.setbacks import not_removed
from provisioner.sizes import has_gpus
from provisioner.steps import CreatePool, DeletePool, Observed, RecordFailure, Step
from provisioner.texts import explain, headline
from provisioner.times import in_words, parse_time, rfc3339, seconds_since
from provisioner.wish import wish_of


def launch(seen: Observed) -> Step:
    """What to show as Launched and what to do about it."""
    claim, pool = seen.claim, seen.pool
    if seen.rival:
        return _outranked(seen)
    if pool is not None and not belongs(pool, claim, seen.nodes):
        return _foreign(seen)
    if _standing(seen):
        return _show(seen, _before(claim) if claim.is_true(claim.kind.launched) else _launched(seen))
    if not seen.pools_known:
        return _blind(seen)
    if pool is None:
        return _without_pool(seen)
    if pool.deleting:
        return _making_room(seen, pool)
    return _failed(seen, pool) if pool.failed else _creating(seen, pool)


def joined_nodes(seen: Observed) -> tuple[Node, ...]:
    """Nodes of the pool that are there to stay and have an instance of this launch behind them."""
    return tuple(
        node for node in seen.nodes if node.provider_id and not node.deleting and _of_this_launch(seen.pool, node)
    )


def _of_this_launch(pool: Pool | None, node: Node) -> bool:
    """Whether the node can be the pool's: one that is older than the request is left from an attempt before."""
    requested = parse_time(pool.tags.get(REQUESTED_TAG, "")) if pool else None
    created = parse_time(node.created)
    return requested is None or created is None or created >= requested


def _standing(seen: Observed) -> bool:
    """Whether the launch is over: the pool succeeded or brought a node, or the claim is past this phase."""
    claim, pool = seen.claim, seen.pool
    launched_before = claim.is_true(claim.kind.launched)
    if claim.is_true(claim.kind.registered) or (launched_before and not seen.pools_known):
        return True
    if pool is None or pool.deleting:
        return False
    return pool.succeeded or bool(joined_nodes(seen)) or (launched_before and not pool.failed)


def _show(seen: Observed, condition: Condition, *, wait: float | None = None, watch: bool = False) -> Step:
    return Step((condition,), None, wait, watch)


def _condition(seen: Observed, status: str, reason: Reason, message: str) -> Condition:
    return Condition(seen.claim.kind.launched, status, reason, message)


def _hinder(seen: Observed, reason: Reason, message: str) -> Condition:
    """The condition while somebody has to act, or until a pause is over."""
    return _condition(seen, seen.claim.kind.hindered, reason, message)


def _before(claim: Claim) -> Condition:
    """The condition as it stands."""
    known = claim.conditions.get(claim.kind.launched)
    return known or Condition(claim.kind.launched, UNKNOWN, Reason.AWAITING_RECONCILIATION)


def _launched(seen: Observed) -> Condition:
    size = seen.pool.offering.text if seen.pool else ""
    return _condition(seen, TRUE, Reason.LAUNCHED, f"{subject(seen.claim)}of size {size} is there")


def _foreign(seen: Observed) -> Step:
    text = headline(
        f"{subject(seen.claim)}exists and was not made for this claim",
        "its labels name another owner",
        Reason.NAME_CONFLICT,
        "remove the pool",
        "delete this claim so that another name is taken",
    )
    return _show(seen, _hinder(seen, Reason.NAME_CONFLICT, text), wait=seen.policy.retry_max)


def _outranked(seen: Observed) -> Step:
    text = headline(
        f"{subject(seen.claim)}cannot be this claim's",
        f"{seen.rival} of the same name holds it",
        Reason.NAME_CONFLICT,
        "delete one of the two",
    )
    return _show(seen, _hinder(seen, Reason.NAME_CONFLICT, text), wait=seen.policy.retry_max)


def _blind(seen: Observed) -> Step:
    """The cloud was not read yet: say why, or leave what is written."""
    if seen.blind is None:
        return _show(seen, _before(seen.claim))
    return _show(seen, _hindered(seen, seen.blind, "waits" if seen.blind.transient else "was not made"))


def _hindered(seen: Observed, fault: Fault, what: str) -> Condition:
    status = UNKNOWN if fault.transient else seen.claim.kind.hindered
    return _condition(seen, status, fault.reason, explain(fault, f"{subject(seen.claim)}{what}"))


def _without_pool(seen: Observed) -> Step:
    claim, now = seen.claim, seen.now
    wish = wish_of(claim, seen.sizes, seen.place)
    if isinstance(wish, Fault):
        text = headline(f"{subject(claim)}cannot be asked for", wish.text, wish.reason, "make the claim anew")
        return _show(seen, _hinder(seen, wish.reason, text))
    failure = failure_of(claim)
    if seen.fault is not None:
        what = "waits" if seen.fault.transient else "was not made"
        return _show(seen, _hindered(seen, seen.fault, what), wait=seen.fault_wait)
    choice = next_choice(seen, wish)
    if choice.after is not None:
        shown = _held(seen, choice) if failure is None else _failure_condition(seen, failure)
        return _show(seen, shown, wait=(choice.after - now).total_seconds())
    if seen.pool_count >= seen.policy.pool_limit:
        return _show(seen, _full(seen), wait=seen.policy.retry_initial)
    attempt, offering = (failure.attempts if failure else 0) + 1, choice.offering
    body = pool_body(claim, wish, offering, gpu=has_gpus(seen.sizes, offering.size), attempt=attempt, now=now)
    return Step((_progress(seen, offering, rfc3339(now)),), CreatePool(body, attempt, offering), watch=True)


def _full(seen: Observed) -> Condition:
    text = headline(
        f"{subject(seen.claim)}was not asked for",
        f"the cluster has {seen.pool_count} agent pools, AKS allows {seen.policy.pool_limit}",
        Reason.POOL_LIMIT_REACHED,
        "remove unused pools",
        "delete this claim",
    )
    return _hinder(seen, Reason.POOL_LIMIT_REACHED, text)


def _held(seen: Observed, choice: Choice) -> Condition:
    """The condition of a claim that failed at nothing yet, because others just failed at all it allows."""
    hold = choice.hold or Hold(ErrorKind.UNKNOWN, "")
    reason, after = REASONS[hold.kind], rfc3339(choice.after) if choice.after else ""
    text = headline(
        f"{subject(seen.claim)}of size {choice.offering.text}{_where(seen)} was not asked for",
        f"the same failed for another claim ({hold.count}x), next try after {after}",
        reason,
        MEANINGS[reason].fix.rstrip("."),
    )
    return _hinder(seen, reason, text)


def _making_room(seen: Observed, pool: Pool) -> Step:
    """Waits for a pool to go; one that takes too long is read less often."""
    failure = failure_of(seen.claim)
    rest = seen.policy.termination_deadline - seconds_since(
        failure.time if failure else seen.claim.creation_time, seen.now
    )
    if seen.setback is not None:
        shown = _hinder(seen, *not_removed(pool.name, seen.setback))
    elif failure is not None:
        shown = _failure_condition(seen, failure)
    else:
        text = f"{subject(seen.claim)}is being deleted by the cloud; it is made again once it is gone"
        shown = _condition(seen, UNKNOWN, Reason.AGENT_POOL_DELETING, text)
    return Step((shown,), None, rest if rest > 0 else None, watch=True, overdue=rest <= 0)


def _failed(seen: Observed, pool: Pool) -> Step:
    """A pool that failed without bringing a node: remember why, then remove it to make room for the next attempt."""
    failure = failure_of(seen.claim)
    if failure is None or _uncounted(pool, failure):
        attempt = pool.attempt or (failure.attempts if failure else 0) + 1
        fault = pool.fault or Fault(ErrorKind.UNKNOWN, "", f"the pool is {pool.state} and gives no cause")
        record = one_more(seen.claim, attempt, fault, pool.offering, time=rfc3339(seen.now), sizes=seen.sizes)
        return Step((_failure_condition(seen, record),), RecordFailure(record), watch=True)
    if seen.fault is not None:
        return Step((_failure_condition(seen, failure),), None, seen.fault_wait, watch=True)
    if seen.setback is not None and seen.setback_wait > 0:
        return _show(seen, _hinder(seen, *not_removed(pool.name, seen.setback)), wait=seen.setback_wait)
    return Step((_failure_condition(seen, failure),), DeletePool(), watch=True)


def _uncounted(pool: Pool, failure: Failure) -> bool:
    """Whether the pool's failure is not yet part of the count; its tag tells which attempt it was."""
    return pool.attempt > failure.attempts


def _creating(seen: Observed, pool: Pool) -> Step:
    claim, limit = seen.claim, seen.policy.launch_deadline
    since = pool.tags.get(REQUESTED_TAG) or claim.creation_time
    rest = limit - seconds_since(since, seen.now)
    if rest > 0 and seen.blind is not None:
        return _show(seen, _hindered(seen, seen.blind, "is being made unseen"), wait=rest, watch=True)
    if rest > 0:
        return _show(seen, _progress(seen, pool.offering, since), wait=rest, watch=True)
    text = headline(
        f"{subject(claim)}of size {pool.vm_size} is {pool.state}, awaited",
        f"asked for at {since}, more than {in_words(limit)} ago",
        Reason.LAUNCH_TIMEOUT,
        "look at the pool in Azure",
        "delete this claim to stop waiting",
    )
    return Step((_hinder(seen, Reason.LAUNCH_TIMEOUT, text),), watch=True, overdue=True)


def _progress(seen: Observed, offering: Offering, since: str) -> Condition:
    text, failure = f"{subject(seen.claim)}of size {offering.text} is being made since {since}", failure_of(seen.claim)
    if failure is not None and failure.asked:
        before = f"{failure.fault.reason} ({failure.offering.text})"
        text = f"{text}, attempt {failure.attempts + 1}; the one before failed: {before}"
    return _condition(seen, UNKNOWN, Reason.AGENT_POOL_CREATING, text)


def _failure_condition(seen: Observed, failure: Failure) -> Condition:
    what = f"{subject(seen.claim)}of size {failure.offering.text}{_where(seen)} was not "
    what += "made" if failure.asked else "asked for"
    wish = wish_of(seen.claim, seen.sizes, seen.place)
    after = None if isinstance(wish, Fault) else next_choice(seen, wish).after
    again = f"the next is made after {rfc3339(after)}" if after else "the next is made at once"
    told = f"Attempt {failure.attempts} failed" if failure.asked else "Found"
    note = " ".join(filter(None, (f"{told} at {failure.time}, {again}.", failure.tried)))
    return _hinder(seen, failure.fault.reason, explain(failure.fault, what, note))


def _where(seen: Observed) -> str:
    return f" in {seen.place.location}" if seen.place.location else ""
