"""Launch: from a claim to its agent pool, decided from the pool's state and from what became of earlier attempts.

Nothing here waits for the cloud: the pool carries the claim's name, so one look tells where the launch stands, whoever
started it.
"""

from datetime import timedelta

from controller.api.claims import Claim
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition
from controller.api.reasons import Reason
from provisioner.errors import ErrorKind, Fault
from provisioner.history import Failure, failure_of
from provisioner.nodes import Node
from provisioner.pools import (
    REQUESTED_TAG,
    Pool,
    belongs,
    instance_type,
    pool_body,
    subject,
    unusable,
)
from provisioner.steps import CreatePool, DeletePool, Observed, RecordFailure, Step
from provisioner.texts import explain, headline
from provisioner.times import in_words, parse_time, rfc3339, seconds_since


def launch(seen: Observed) -> Step:
    """What to show as Launched and what to do about it."""
    claim, pool = seen.claim, seen.pool
    if pool is not None and not belongs(pool, claim):
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


def _before(claim: Claim) -> Condition:
    """The condition as it stands."""
    known = claim.conditions.get(claim.kind.launched)
    return known or Condition(claim.kind.launched, UNKNOWN, Reason.AWAITING_RECONCILIATION)


def _launched(seen: Observed) -> Condition:
    size = seen.pool.vm_size if seen.pool else ""
    return _condition(seen, TRUE, Reason.LAUNCHED, f"{subject(seen.claim)}of size {size} is there")


def _foreign(seen: Observed) -> Step:
    text = headline(
        f"{subject(seen.claim)}exists and was not made for this claim",
        "its labels name another owner",
        Reason.NAME_CONFLICT,
        "remove the pool",
        "delete this claim so that another name is taken",
    )
    return _show(seen, _condition(seen, FALSE, Reason.NAME_CONFLICT, text), wait=seen.policy.retry_max)


def _blind(seen: Observed) -> Step:
    """The cloud was not read yet: say why, or leave what is written."""
    if seen.blind is None:
        return _show(seen, _before(seen.claim))
    return _show(seen, _hindered(seen, seen.blind, "waits" if seen.blind.transient else "was not made"))


def _hindered(seen: Observed, fault: Fault, what: str) -> Condition:
    status = UNKNOWN if fault.transient else FALSE
    return _condition(seen, status, fault.reason, explain(fault, f"{subject(seen.claim)}{what}"))


def _without_pool(seen: Observed) -> Step:
    claim, now = seen.claim, seen.now
    if refused := unusable(claim):
        text = headline(f"{subject(claim)}cannot be asked for", refused.text, refused.reason, "make the claim anew")
        return _show(seen, _condition(seen, FALSE, refused.reason, text))
    failure = failure_of(claim)
    if seen.fault is not None:
        what = "waits" if seen.fault.transient else "was not made"
        return _show(seen, _hindered(seen, seen.fault, what), wait=seen.fault_wait)
    if failure is not None and (rest := _rest(seen, failure)) > 0:
        return _show(seen, _failure_condition(seen, failure), wait=rest)
    attempts = failure.attempts if failure else 0
    size = instance_type(claim, attempts)
    gpu = size.lower() in seen.gpus or size.lower().startswith("standard_n")
    body = pool_body(claim, vm_size=size, gpu=gpu, attempt=attempts + 1, now=now)
    creating = _condition(seen, UNKNOWN, Reason.AGENT_POOL_CREATING, _progress_text(claim, size, rfc3339(now), failure))
    return Step((creating,), CreatePool(body, attempts + 1, size), watch=True)


def _delay(seen: Observed, failure: Failure) -> float:
    return seen.policy.launch_delay(failure.kind, failure.attempts, len(seen.claim.instance_types))


def _rest(seen: Observed, failure: Failure) -> float:
    """Seconds until the next attempt may be made."""
    if parse_time(failure.time) is None:
        return 0.0
    return _delay(seen, failure) - seconds_since(failure.time, seen.now)


def _making_room(seen: Observed, pool: Pool) -> Step:
    if (failure := failure_of(seen.claim)) is not None:
        return _show(seen, _failure_condition(seen, failure), watch=True)
    text = f"{subject(seen.claim)}is being deleted by the cloud; it is made again once it is gone"
    return _show(seen, _condition(seen, UNKNOWN, Reason.AGENT_POOL_DELETING, text), watch=True)


def _failed(seen: Observed, pool: Pool) -> Step:
    """A pool that failed without bringing a node: remember why, then remove it to make room for the next attempt."""
    failure = failure_of(seen.claim)
    if failure is None or _uncounted(pool, failure):
        attempts = pool.attempt or (failure.attempts if failure else 0) + 1
        fault = pool.fault or Fault(ErrorKind.UNKNOWN, "", f"the pool is {pool.state} and gives no cause")
        record = Failure(attempts, rfc3339(seen.now), fault.kind, pool.vm_size, fault.code, fault.text)
        return Step((_failure_condition(seen, record),), RecordFailure(record), watch=True)
    if seen.fault is not None:
        return Step((_failure_condition(seen, failure),), None, seen.fault_wait, watch=True)
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
        text = _progress_text(claim, pool.vm_size, since, failure_of(claim))
        creating = _condition(seen, UNKNOWN, Reason.AGENT_POOL_CREATING, text)
        return _show(seen, creating, wait=rest, watch=True)
    text = headline(
        f"{subject(claim)}of size {pool.vm_size} is {pool.state}, awaited",
        f"asked for at {since}, more than {in_words(limit)} ago",
        Reason.LAUNCH_TIMEOUT,
        "look at the pool in Azure",
        "delete this claim to stop waiting",
    )
    return Step((_condition(seen, FALSE, Reason.LAUNCH_TIMEOUT, text),), watch=True, overdue=True)


def _progress_text(claim: Claim, size: str, since: str, failure: Failure | None) -> str:
    text = f"{subject(claim)}of size {size} is being made since {since}"
    if failure is None:
        return text
    return f"{text}, attempt {failure.attempts + 1}; the one before failed: {failure.fault.reason} ({failure.vm_size})"


def _failure_condition(seen: Observed, failure: Failure) -> Condition:
    moment = parse_time(failure.time) or seen.now
    again = rfc3339(moment + timedelta(seconds=_delay(seen, failure)))
    where = f" in {seen.location}" if seen.location else ""
    what = f"{subject(seen.claim)}of size {failure.vm_size}{where} was not made"
    note = f"Attempt {failure.attempts} failed at {failure.time}, the next is made after {again}."
    return _condition(seen, FALSE, failure.fault.reason, explain(failure.fault, what, note))
