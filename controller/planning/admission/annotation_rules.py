"""Rules about annotations: those that steer the Workspace hold words they know, and none is ignored in silence."""

from collections.abc import Iterator
from typing import Final

from controller.api import labels
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import Runtime
from controller.planning.admission.findings import Finding, Rule, Subject, Trigger
from controller.planning.names import nearest
from controller.planning.runtimes import choose_runtime

NODE_IMAGE_FAMILIES: Final = ("ubuntu", "azurelinux")
PERFORMANCE_MODES: Final = ("balanced", "interactivity", "throughput")
SWITCH: Final = ("true", "false")

_OURS: Final = "kaito.sh"
_UNKNOWN_TOLD: Final = 5
"""Unknown annotations told one by one; each takes a look at all known ones."""

_WITHOUT_EFFECT: Final = (
    *((key, "") for key in (labels.PERFORMANCE_MODE, labels.NODE_CLASS_NAME, *labels.STREAMING_ANNOTATIONS)),
    (labels.USE_LOCAL_WEIGHTS, "false"),
    (labels.MODEL_STREAMING, "disabled"),
    (labels.RUN_BENCHMARK, "false"),
    (labels.DISABLE_BENCHMARK, "true"),
)
"""Annotations of KAITO that change nothing here, each with the value that asks for just that."""

ACTED_ON: Final = (
    labels.RUNTIME,
    labels.ENABLE_LOAD_BALANCER,
    labels.BYPASS_RESOURCE_CHECKS,
    labels.NODE_IMAGE_FAMILY,
    labels.RELEASE_NODES,
    labels.PAUSED,
    labels.UPGRADE_START_TIME,
    labels.NODE_SOURCE,
    labels.INSTANCE_TYPES,
    labels.ZONES,
    labels.CAPACITY_TYPES,
)
"""Annotations that change what is done for a Workspace."""

_KNOWN: Final = frozenset((*ACTED_ON, *(key for key, _ in _WITHOUT_EFFECT)))


def words(subject: Subject) -> Iterator[Finding]:
    """The annotations that are acted on; a runtime nobody knows is passed over, as in KAITO."""
    given = subject.workspace.annotations
    runtime = given.get(labels.RUNTIME, "")
    if runtime and subject.workspace.runtime_wish is None and subject.preset is not None:
        used = choose_runtime(None, subject.preset, subject.sku).runtime
        yield f"{labels.RUNTIME} {quote(runtime, 30)} is none of {', '.join(Runtime)}; {used} is used"
    public = given.get(labels.ENABLE_LOAD_BALANCER, "")
    if public.lower() == "true" and public != "True":
        yield f'{labels.ENABLE_LOAD_BALANCER} is {quote(public)}; only "True" makes the Service public'
    release = given.get(labels.RELEASE_NODES, "")
    if release and release != labels.WHEN_DONE:
        yield f'{labels.RELEASE_NODES} is {quote(release)}; only "{labels.WHEN_DONE}" gives nodes back after tuning'
    family = given.get(labels.NODE_IMAGE_FAMILY)
    if family is not None and family.strip().lower() not in NODE_IMAGE_FAMILIES:
        yield _unknown_word(labels.NODE_IMAGE_FAMILY, family, NODE_IMAGE_FAMILIES)
    paused = given.get(labels.PAUSED)
    if paused is not None and paused not in SWITCH:
        yield _unknown_word(labels.PAUSED, paused, SWITCH)


def closed_words(subject: Subject) -> Iterator[Finding]:
    """Annotations of a closed list of words, written out exactly. Updates let them pass, as KAITO does."""
    for key, known in ((labels.PERFORMANCE_MODE, PERFORMANCE_MODES), (labels.USE_LOCAL_WEIGHTS, SWITCH)):
        value = subject.workspace.annotations.get(key)
        if value is not None and value not in known:
            yield _unknown_word(key, value, known)


def without_effect(subject: Subject) -> Iterator[Finding]:
    """What KAITO would act on and nothing here does, and what nobody knows."""
    given = subject.workspace.annotations
    for key, nothing in _WITHOUT_EFFECT:
        value = given.get(key, "")
        if value and value != nothing:
            yield f"the annotation {key} has no effect here"
    unknown = [key for key in sorted(given) if key.partition("/")[0] == _OURS and key not in _KNOWN]
    for key in unknown[:_UNKNOWN_TOLD]:
        close = nearest(key, sorted(_KNOWN), limit=1, cutoff=0.8)
        hint = f"; did you mean {close[0]}?" if close else ""
        yield f"the annotation {quote(key)} is not known and has no effect{hint}"
    if len(unknown) > _UNKNOWN_TOLD:
        yield f"of the annotations under {_OURS}, {len(unknown) - _UNKNOWN_TOLD} more are not known and have no effect"


def _unknown_word(key: str, value: str, known: tuple[str, ...]) -> Problem:
    field = f"metadata.annotations[{key}]"
    why = f"it is 1 of {len(known)} words: {', '.join(known)}"
    fixes = ("remove the annotation", *(f"use {word}" for word in known))
    return Problem(Reason.ANNOTATION_INVALID, field, f"{field} is {quote(value)}", why, fixes)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "annotation-words",
        tuple(
            f"metadata.annotations[{key}]"
            for key in (labels.RUNTIME, labels.ENABLE_LOAD_BALANCER, labels.NODE_IMAGE_FAMILY, labels.PAUSED)
        ),
        "Annotations that steer the Workspace hold one of the words they know; an unknown runtime is only warned of.",
        (Reason.ANNOTATION_INVALID,),
        words,
    ),
    Rule(
        "annotation-closed-words",
        (f"metadata.annotations[{labels.PERFORMANCE_MODE}]", f"metadata.annotations[{labels.USE_LOCAL_WEIGHTS}]"),
        "Annotations with a closed list of words hold one of them, in lower case.",
        (Reason.ANNOTATION_INVALID,),
        closed_words,
        Trigger.CREATE,
    ),
    Rule(
        "annotation-effect",
        ("metadata.annotations",),
        "An annotation that changes nothing here is warned of.",
        (),
        without_effect,
    ),
)
"""In the order in which their findings are shown."""
