"""Rules about the preset a Workspace serves or tunes: is it known, who may have its weights, whose image runs it."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from controller.api.messages import MAX_FIXES, Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import PresetSpec
from controller.catalog import Catalog, Preset, PresetStatus
from controller.planning.admission.findings import Cel, Finding, Rule, Subject
from controller.planning.admission.references import image_problem
from controller.planning.names import SUBDOMAIN_LENGTH, SUBDOMAIN_PATTERN, is_subdomain, nearest

PUBLIC: Final = "public"
PRIVATE: Final = "private"
OLD_VERSION: Final = "v1alpha1"
"""The version in which `accessMode` decides; v1beta1 deprecates it."""

_BLOCKS: Final = ("inference.preset", "tuning.preset")
_OPTIONS: Final = tuple(f"{block}.presetOptions" for block in _BLOCKS)


def preset_field(subject: Subject) -> str:
    """Path of the preset the Workspace names: that of inference, or of tuning."""
    tuning = subject.workspace.inference is None and subject.workspace.tuning is not None
    return "tuning.preset" if tuning else "inference.preset"


def example_preset(catalog: Catalog) -> str:
    """A preset anybody can serve: current, with a published image and weights nobody has to approve."""
    return next(_free(catalog), catalog.preset_names[0])


def _free(catalog: Catalog) -> Iterator[str]:
    every = {each.name: each for each in catalog.presets.values()}.values()
    return (each.name for each in every if each.status is PresetStatus.ACTIVE and each.image and not each.gated)


def preset_known(subject: Subject) -> Iterator[Finding]:
    """The preset must be in the catalogue, and something of it left to run."""
    spec = subject.workspace.preset
    if spec is None:
        return
    field, known = f"{preset_field(subject)}.name", subject.catalog.preset_names
    preset = subject.catalog.preset(spec.name)
    if preset is not None:
        yield from _standing(preset, field)
        return
    if not spec.name:
        what, why = f"{field} is missing", "it says which model to run"
        yield Problem(
            Reason.FIELD_REQUIRED, field, what, why, (f"set it, for example to {example_preset(subject.catalog)}",)
        )
        return
    current = [name for name, each in subject.catalog.presets.items() if each.status is PresetStatus.ACTIVE]
    close = nearest(spec.name, current, limit=3, cutoff=0.5)
    offers = dict.fromkeys(subject.catalog.presets[each].name for each in close)
    own = ("have its size facts added to the catalogue by your administrator",) if "/" in spec.name.strip("/") else ()
    yield Problem(
        Reason.PRESET_UNKNOWN,
        field,
        f"{field} {quote(spec.name)} is not in the catalogue",
        f"{len(known)} presets are known",
        (*islice((f"use {offer}" for offer in offers or _free(subject.catalog)), MAX_FIXES - len(own)), *own),
    )


def _standing(preset: Preset, field: str) -> Iterator[Finding]:
    if not preset.runnable:
        what = f"{field} {quote(preset.name)} was never released"
        yield Problem(
            Reason.PRESET_UNKNOWN, field, what, "there is no image of it to run", (f"use {preset.successor}",)
        )
    elif preset.status is not PresetStatus.ACTIVE:
        yield f"{preset.name} is {preset.status} in KAITO and still runs here; {preset.successor} is its successor"


def weights_access(subject: Subject) -> Iterator[Finding]:
    """Gated weights are downloaded with the user's own approval."""
    spec, preset = subject.workspace.preset, subject.preset
    if spec is None:
        return
    secret, field = spec.model_access_secret, f"{preset_field(subject)}.presetOptions.modelAccessSecret"
    if secret and not is_subdomain(secret):
        what = f"{field} {quote(secret)} cannot be the name of a Secret"
        why = f"names are DNS-1123 subdomains of at most {SUBDOMAIN_LENGTH} characters"
        yield Problem(Reason.NAME_INVALID, field, what, why, ("correct the name",))
    elif subject.workspace.tuning is not None:
        return
    elif not secret and preset is not None and preset.gated and preset.download and spec.access_mode != PRIVATE:
        yield f"the weights of {preset.name} are gated at Hugging Face: name a Secret with key HF_TOKEN in {field}"


def preset_access(subject: Subject) -> Iterator[Finding]:
    """A private preset brings its own image; an image without private access would be ignored, so it is said."""
    spec, field = subject.workspace.preset, preset_field(subject)
    if spec is None:
        return
    image = f"{field}.presetOptions.image"
    if spec.access_mode not in ("", PUBLIC, PRIVATE):
        what, why = f"{field}.accessMode is {quote(spec.access_mode)}", f"it is one of {PUBLIC}, {PRIVATE}"
        fix = f"use {PRIVATE} for an image of your own, else leave it out"
        yield Problem(Reason.FIELD_TYPE_INVALID, f"{field}.accessMode", what, why, (fix,))
    elif not spec.image:
        yield from _image_missing(subject, spec, field)
    elif spec.access_mode != PRIVATE:
        yield f"{image} is not used: accessMode is not {PRIVATE}"
    problem = image_problem(spec.image, image) if spec.image else None
    if problem is not None:
        yield problem


def _image_missing(subject: Subject, spec: PresetSpec, field: str) -> Iterator[Finding]:
    image, private = f"{field}.presetOptions.image", spec.access_mode == PRIVATE
    preset, what = subject.preset, f"{image} is missing"
    if preset is not None and preset.image is None and subject.workspace.inference is not None:
        why = f"no image of {preset.name} is published, so it is yours to name"
        fixes = (f"set accessMode to {PRIVATE} and {image}", f"use {preset.successor}")
        yield Problem(Reason.FIELD_REQUIRED, image, what, why, fixes)
    elif private and subject.workspace.version == OLD_VERSION:
        why = "accessMode is private, so the image is yours to name"
        yield Problem(Reason.FIELD_REQUIRED, image, what, why, (f"set {image}", f"set accessMode to {PUBLIC}"))
    elif private:
        yield f"{field}.accessMode is {PRIVATE} but {image} is not set: the published image is run"


def pull_secrets(subject: Subject) -> Iterator[Finding]:
    """Pull secrets are names of Secrets in the Workspace's own namespace."""
    spec = subject.workspace.preset
    for index, secret in enumerate(spec.image_pull_secrets if spec else ()):
        if not is_subdomain(secret):
            field = f"{preset_field(subject)}.presetOptions.imagePullSecrets[{index}]"
            what = f"{field} {quote(secret)} is no name of a Secret"
            why = f"names are 1 to {SUBDOMAIN_LENGTH} characters of a-z, 0-9, . and -"
            yield Problem(Reason.NAME_INVALID, field, what, why, ("name a Secret of the Workspace's namespace",))


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "preset-known",
        tuple(f"{block}.name" for block in _BLOCKS),
        "The preset is in the catalogue and something of it is left to run.",
        (Reason.FIELD_REQUIRED, Reason.PRESET_UNKNOWN),
        preset_known,
    ),
    Rule(
        "weights-access",
        tuple(f"{options}.modelAccessSecret" for options in _OPTIONS),
        "Gated weights are downloaded with a Secret of the namespace that the user names.",
        (Reason.NAME_INVALID,),
        weights_access,
        cel=tuple(
            Cel(
                options,
                "!has(self.modelAccessSecret) || self.modelAccessSecret == ''"
                f" || self.modelAccessSecret.matches('^{SUBDOMAIN_PATTERN}$')",
                f"modelAccessSecret must be the name of a Secret ({Reason.NAME_INVALID})",
                ".modelAccessSecret",
            )
            for options in _OPTIONS
        ),
    ),
    Rule(
        "preset-access",
        tuple(f"{block}.{field}" for block in _BLOCKS for field in ("accessMode", "presetOptions.image")),
        "A private preset brings its own image; in v1beta1, which deprecates accessMode, the published one is run "
        "where there is none.",
        (Reason.FIELD_TYPE_INVALID, Reason.FIELD_REQUIRED, Reason.IMAGE_INVALID),
        preset_access,
    ),
    Rule(
        "pull-secrets",
        tuple(f"{options}.imagePullSecrets" for options in _OPTIONS),
        "Pull secrets are names of Secrets in the Workspace's namespace.",
        (Reason.NAME_INVALID,),
        pull_secrets,
        cel=tuple(
            Cel(
                options,
                "!has(self.imagePullSecrets)"
                f" || self.imagePullSecrets.all(name, name.matches('^{SUBDOMAIN_PATTERN}$'))",
                f"imagePullSecrets must be names of Secrets ({Reason.NAME_INVALID})",
                ".imagePullSecrets",
            )
            for options in _OPTIONS
        ),
    ),
)
"""In the order in which their findings are shown."""
