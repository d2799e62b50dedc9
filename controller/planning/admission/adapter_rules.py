"""Rules about LoRA adapters: where each comes from, what it is called, how strong it is, and who can load it."""

import re
from collections.abc import Iterator
from typing import Final

from controller.api import labels
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import AdapterSpec, Runtime
from controller.catalog import Preset, RuntimeSpec
from controller.planning.admission.findings import Cel, Finding, Rule, Subject
from controller.planning.admission.preset_rules import PRIVATE
from controller.planning.admission.references import name_problem
from controller.planning.names import SUBDOMAIN_PATTERN
from controller.planning.runtimes import choose_runtime

STRENGTH_PATTERN: Final = r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,3})?"
"""A decimal number, in a form the API server's expressions read too."""

_ADAPTERS: Final = "inference.adapters"
_EACH: Final = f"{_ADAPTERS}[]"
_STRENGTH: Final = re.compile(STRENGTH_PATTERN, re.ASCII)
_FULL: Final = 1.0


def strength_of(adapter: AdapterSpec) -> float | None:
    """The share of an adapter that is added to the model, 0 to 1; None where what is written is no such number."""
    if not adapter.strength:
        return _FULL
    if _STRENGTH.fullmatch(adapter.strength) is None:
        return None
    value = float(adapter.strength)
    return value if 0 <= value <= 1 else None


def sources(subject: Subject) -> Iterator[Finding]:
    """An adapter comes from an image or from a volume."""
    for field, adapter in _each(subject):
        path, source = f"{field}.source", adapter.source
        if source is None:
            why = "it says where the adapter comes from"
            fix = f"set {path}.name and {path}.image"
            yield Problem(Reason.FIELD_REQUIRED, path, f"{path} is missing", why, (fix,))
            continue
        if source.urls:
            what, why = f"{path}.urls is set", "adapters are read from images and volumes, not from addresses"
            fixes = (f"put the adapter into an image and set {path}.image", f"set {path}.volumeSource")
            yield Problem(Reason.FIELD_NOT_ALLOWED, f"{path}.urls", what, why, fixes)
        if bool(source.image) == (source.volume is not None):
            both = "both" if source.image else "neither"
            join = "and" if source.image else "nor"
            what = f"{both} {path}.image {join} {path}.volumeSource {'are' if source.image else 'is'} set"
            fixes = (f"set {path}.image", f"set {path}.volumeSource")
            if source.image:
                fixes = (f"remove {path}.volumeSource", f"remove {path}.image")
            yield Problem(Reason.EXACTLY_ONE_OF, path, what, "an adapter comes from exactly 1 of the 2", fixes)


def names(subject: Subject) -> Iterator[Finding]:
    """Each adapter has a name of its own, by which clients ask for it."""
    seen: dict[str, str] = {}
    for field, adapter in _each(subject):
        if adapter.source is None:
            continue
        path, name = f"{field}.source.name", adapter.source.name
        if not name:
            why = "clients ask for the adapter by it"
            yield Problem(Reason.FIELD_REQUIRED, path, f"{path} is missing", why, (f"set {path}",))
            continue
        problem = name_problem(name, path, "adapter")
        if problem is not None:
            yield problem
        elif (first := seen.setdefault(name, path)) != path:
            what, why = f"{path} {quote(name)} is given twice", f"{first} has that name already"
            yield Problem(Reason.NAME_DUPLICATE, path, what, why, (f"rename {path}", f"remove {field}"))


def strengths(subject: Subject) -> Iterator[Finding]:
    """A strength is a number from 0 to 1; vLLM knows none and adds the whole adapter."""
    served = _served(subject)
    for field, adapter in _each(subject):
        path, strength = f"{field}.strength", strength_of(adapter)
        if strength is None:
            what, why = f"{path} is {quote(adapter.strength)}", "it is a number from 0 to 1, written as text"
            fixes = ('use "1.0" for the whole adapter', f"remove {path}, which means the same")
            yield Problem(Reason.STRENGTH_INVALID, path, what, why, fixes)
        elif strength != _FULL and served is not None and served[0] is Runtime.VLLM:
            yield (
                f"{path} is {quote(adapter.strength)}, but vLLM adds every adapter in full; "
                f"set the annotation {labels.RUNTIME} to {Runtime.TRANSFORMERS} to have it weighted"
            )


def runtime(subject: Subject) -> Iterator[Finding]:
    """The model server that is chosen can load adapters for the model."""
    inference = subject.workspace.inference
    if inference is None or not inference.adapters:
        return
    if inference.template is not None:
        yield f"{_ADAPTERS} is not used: inference.template starts a program of your own"
        return
    preset, served = subject.preset, _served(subject)
    if preset is None or served is None:
        return
    if preset.image is None or (inference.preset is not None and inference.preset.access_mode == PRIVATE):
        yield f"whether your image of {preset.name} loads adapters is not known"
        return
    chosen, spec = served
    if spec.lora:
        return
    what, why = f"{_ADAPTERS} is set", f"{chosen} in the image of {preset.name} loads no adapters"
    fixes = [f"remove {_ADAPTERS}"]
    other = _other(subject, preset, chosen)
    if other is not None:
        fixes.insert(0, f"set the annotation {labels.RUNTIME} to {other}")
    yield Problem(Reason.ADAPTERS_NOT_SUPPORTED, _ADAPTERS, what, why, tuple(fixes))


def _each(subject: Subject) -> Iterator[tuple[str, AdapterSpec]]:
    inference = subject.workspace.inference
    for index, adapter in enumerate(inference.adapters if inference is not None else ()):
        yield f"{_ADAPTERS}[{index}]", adapter


def _served(subject: Subject) -> tuple[Runtime, RuntimeSpec] | None:
    preset, sku, wish = subject.preset, subject.sku, subject.workspace.runtime_wish
    if preset is None:
        return None
    edition = preset.on(sku, wish) if sku is not None else preset
    chosen = choose_runtime(wish, edition, sku).runtime
    return chosen, edition.runtimes[chosen]


def _other(subject: Subject, preset: Preset, chosen: Runtime) -> Runtime | None:
    capability = subject.sku.compute_capability if subject.sku is not None else None
    every = preset.runtimes.items()
    return next((name for name, spec in every if name != chosen and spec.lora and spec.supports(capability)), None)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "adapter-source",
        (f"{_EACH}.source",),
        "An adapter comes from exactly one of an image and a volume.",
        (Reason.FIELD_REQUIRED, Reason.FIELD_NOT_ALLOWED, Reason.EXACTLY_ONE_OF),
        sources,
        cel=(
            Cel(_EACH, "has(self.source)", f"source must be set ({Reason.FIELD_REQUIRED})", ".source"),
            Cel(
                f"{_EACH}.source",
                "!has(self.urls) || self.urls.size() == 0",
                f"adapters are not read from addresses ({Reason.FIELD_NOT_ALLOWED})",
                ".urls",
            ),
            Cel(
                f"{_EACH}.source",
                "(has(self.image) && self.image != '') != has(self.volumeSource)",
                f"exactly one of image and volumeSource must be set ({Reason.EXACTLY_ONE_OF})",
            ),
        ),
    ),
    Rule(
        "adapter-name",
        (f"{_EACH}.source.name",),
        "Each adapter has a name of its own, a DNS-1123 subdomain.",
        (Reason.FIELD_REQUIRED, Reason.NAME_INVALID, Reason.NAME_DUPLICATE),
        names,
        cel=(
            Cel(
                f"{_EACH}.source",
                f"has(self.name) && self.name.matches('^{SUBDOMAIN_PATTERN}$')",
                f"name must be set to a DNS-1123 subdomain ({Reason.NAME_INVALID})",
                ".name",
            ),
            Cel(
                _ADAPTERS,
                "self.all(one, !has(one.source) || !has(one.source.name) || "
                "self.exists_one(other, has(other.source) && has(other.source.name) && "
                "other.source.name == one.source.name))",
                f"adapters must have different names ({Reason.NAME_DUPLICATE})",
            ),
        ),
    ),
    Rule(
        "adapter-strength",
        (f"{_EACH}.strength",),
        "A strength is text holding a number from 0 to 1; vLLM adds every adapter in full, which is told.",
        (Reason.STRENGTH_INVALID,),
        strengths,
        cel=(
            Cel(
                _EACH,
                "!has(self.strength) || self.strength == '' || "
                f"(self.strength.matches('^{STRENGTH_PATTERN}$') && "
                "double(self.strength) >= 0.0 && double(self.strength) <= 1.0)",
                f"strength must be a number from 0 to 1 ({Reason.STRENGTH_INVALID})",
                ".strength",
            ),
        ),
    ),
    Rule(
        "adapter-runtime",
        (_ADAPTERS,),
        "The model server that is chosen can load adapters for the model.",
        (Reason.ADAPTERS_NOT_SUPPORTED,),
        runtime,
    ),
)
"""In the order in which their findings are shown."""
