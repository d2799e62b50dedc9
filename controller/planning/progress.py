"""How far a workload is, read from what its own controller reports."""

from dataclasses import dataclass

from controller.api.conditions import TRUE
from controller.api.json import Json, generation_of
from controller.api.resources import DEPLOYMENTS, JOBS, STATEFUL_SETS
from controller.planning.observed import Observed


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the pods of a model server are.

    Attributes:
        wanted: pods that should serve.
        ready: pods that serve the present spec.
        seen: whether the workload's controller has seen the present spec.
        settled: whether it has rolled it out too.
        overdue: the message of the rollout's own deadline once it has passed; empty before.
        refusal: why pods cannot be created, such as a quota; empty when they can.
    """

    wanted: int
    ready: int
    seen: bool
    settled: bool
    overdue: str = ""
    refusal: str = ""

    @property
    def serves(self) -> bool:
        """Whether every pod that should serve does."""
        return self.settled and 0 < self.wanted <= self.ready

    @property
    def text(self) -> str:
        """Such as `1 of 2 pods ready`."""
        return f"{self.ready} of {counted(self.wanted, 'pod')} ready"


@dataclass(frozen=True, slots=True)
class Run:
    """How far a training run is.

    Attributes:
        running: pods of it that run, or have ended well while the Job has yet to say that it is complete.
        failures: pods of it that failed.
        succeeded: whether it has ended well.
        failed: why it has ended without success; empty while it may still succeed.
        ended_at: when it ended, as RFC 3339; empty while it has not.
    """

    running: int = 0
    failures: int = 0
    succeeded: bool = False
    failed: str = ""
    ended_at: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.succeeded or bool(self.failed)


def server_of(observed: Observed) -> Json | None:
    """The workload that runs model servers; None when there is none."""
    return _first(observed, DEPLOYMENTS.kind, STATEFUL_SETS.kind)


def job_of(observed: Observed) -> Json | None:
    """The training run; None when there is none."""
    return _first(observed, JOBS.kind)


def _first(observed: Observed, *kinds: str) -> Json | None:
    found = sorted(ref for ref in observed.objects if ref[0] in kinds)
    return observed.objects[found[0]] if found else None


def read_server(workload: Json) -> Progress:
    """The progress a Deployment or StatefulSet reports."""
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    seen = int(status.get("observedGeneration") or 0) >= generation_of(workload)
    updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    conditions: dict[str, Json] = {c.get("type"): c for c in status.get("conditions") or []}
    progressing, failing = conditions.get("Progressing", {}), conditions.get("ReplicaFailure", {})
    overdue = progressing.get("reason") == "ProgressDeadlineExceeded"
    return Progress(
        wanted=wanted,
        ready=int(status.get("readyReplicas") or 0),
        seen=seen,
        settled=seen and updated >= wanted and total == updated,
        overdue=str(progressing.get("message") or "deadline exceeded") if overdue else "",
        refusal=str(failing.get("message") or "refused") if failing.get("status") == TRUE else "",
    )


def read_job(job: Json) -> Run:
    """The progress a Job reports; only its own conditions tell its end, since a failed pod may be tried again."""
    status = job.get("status") or {}
    conditions: dict[str, Json] = {c.get("type"): c for c in status.get("conditions") or [] if c.get("status") == TRUE}
    failure = conditions.get("Failed")
    end = conditions.get("Complete") or failure or {}
    return Run(
        running=int(status.get("ready") or 0) + int(status.get("succeeded") or 0),
        failures=int(status.get("failed") or 0),
        succeeded="Complete" in conditions,
        failed=str(failure.get("message") or failure.get("reason") or "failed") if failure is not None else "",
        ended_at=str(end.get("lastTransitionTime") or ""),
    )


def counted(number: int, noun: str) -> str:
    """Such as `1 pod` or `2 pods`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
