"""Rules about what a Workspace is called and what it is to run. Those about its nodes are in `node_rules`."""

from collections.abc import Iterator
from typing import Final

from controller.api import labels
from controller.api.json import metadata_of
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import InferenceSpec, PresetSpec, Runtime
from controller.catalog import Preset, PresetStatus
from controller.planning.findings import Finding, Rule, Subject
from controller.planning.names import (
    LABEL_LENGTH,
    SUBDOMAIN_LENGTH,
    as_dns_label,
    is_dns_label,
    is_image,
    is_subdomain,
    nearest,
)
from controller.planning.runtimes import choose_runtime

GENERATED_SUFFIX: Final = 5
"""Characters the API server appends to metadata.generateName."""

PUBLIC: Final = "public"
PRIVATE: Final = "private"
NODE_IMAGE_FAMILIES: Final = ("ubuntu", "azurelinux")

_PRESET: Final = "inference.preset"
_LABEL_GRAMMAR: Final = "it names a Service: 1 to 63 characters of a-z, 0-9 and -, a letter first and no - last"


def name(subject: Subject) -> Iterator[Finding]:
    """metadata.name must be able to name the Service; a generated name is judged by its prefix."""
    given = subject.workspace.name
    prefix = str(metadata_of(subject.obj).get("generateName") or "")
    if not given and prefix:
        given = prefix[: LABEL_LENGTH - GENERATED_SUFFIX] + "0" * GENERATED_SUFFIX
    if not given:
        yield Problem(
            Reason.FIELD_REQUIRED, "metadata.name", "metadata.name is missing", _LABEL_GRAMMAR, ("set metadata.name",)
        )
    elif not is_dns_label(given):
        yield Problem(
            Reason.NAME_INVALID,
            "metadata.name",
            f"metadata.name {quote(given)} cannot be used",
            _LABEL_GRAMMAR,
            (f"use a name such as {quote(as_dns_label(given))}",),
        )


def one_of_inference_and_tuning(subject: Subject) -> Iterator[Finding]:
    """A Workspace runs one thing, and this release runs inference."""
    workspace = subject.workspace
    if workspace.inference is not None and workspace.tuning is not None:
        yield Problem(
            Reason.EXACTLY_ONE_OF,
            "inference",
            "both inference and tuning are set",
            "a Workspace does 1 of the 2",
            ("remove tuning", "remove inference"),
        )
    elif workspace.tuning is not None:
        yield _not_supported("tuning", "tuning", "set inference.preset.name to serve a model")
    elif workspace.inference is None:
        yield Problem(
            Reason.EXACTLY_ONE_OF,
            "inference",
            "neither inference nor tuning is set",
            "a Workspace does exactly 1 of the 2",
            (f"set inference.preset.name, for example to {_example(subject)}",),
        )


def one_of_preset_and_template(subject: Subject) -> Iterator[Finding]:
    """Inference serves a preset; pod templates of the user are not run by this release."""
    inference = subject.workspace.inference
    if inference is None:
        return
    if inference.preset is not None and inference.template is not None:
        yield Problem(
            Reason.EXACTLY_ONE_OF,
            _PRESET,
            "both inference.preset and inference.template are set",
            "inference serves 1 of the 2",
            ("remove inference.template",),
        )
    elif inference.template is not None:
        yield _not_supported("inference.template", "pod templates", f"set {_PRESET}.name instead")
    elif inference.preset is None:
        yield Problem(
            Reason.EXACTLY_ONE_OF,
            _PRESET,
            "neither inference.preset nor inference.template is set",
            "inference serves exactly 1 of the 2",
            (f"set {_PRESET}.name, for example to {_example(subject)}",),
        )


def preset_known(subject: Subject) -> Iterator[Finding]:
    """The preset must be in the catalogue, and something of it left to run."""
    spec = _preset_spec(subject)
    if spec is None:
        return
    field, known = f"{_PRESET}.name", subject.catalog.preset_names
    preset = subject.catalog.preset(spec.name)
    if preset is not None:
        yield from _standing(preset, field)
        return
    if not spec.name:
        yield Problem(
            Reason.FIELD_REQUIRED,
            field,
            f"{field} is missing",
            "it says which model to serve",
            (f"set it, for example to {_example(subject)}",),
        )
        return
    current = [name for name, each in subject.catalog.presets.items() if each.status is PresetStatus.ACTIVE]
    close = nearest(spec.name, current, limit=3, cutoff=0.5)
    proposals = dict.fromkeys(subject.catalog.presets[each].name for each in close)
    yield Problem(
        Reason.PRESET_UNKNOWN,
        field,
        f"{field} {quote(spec.name)} is not in the catalogue",
        f"{len(known)} presets are known",
        tuple(f"use {proposal}" for proposal in proposals or known),
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
    spec, preset = _preset_spec(subject), subject.preset
    if spec is None:
        return
    secret, field = spec.model_access_secret, f"{_PRESET}.presetOptions.modelAccessSecret"
    if secret and not is_subdomain(secret):
        what = f"{field} {quote(secret)} cannot be the name of a Secret"
        why = f"names are DNS-1123 subdomains of at most {SUBDOMAIN_LENGTH} characters"
        yield Problem(Reason.NAME_INVALID, field, what, why, ("correct the name",))
    elif not secret and preset is not None and preset.gated and preset.download and spec.access_mode != PRIVATE:
        yield f"the weights of {preset.name} are gated at Hugging Face: name a Secret with key HF_TOKEN in {field}"


def preset_access(subject: Subject) -> Iterator[Finding]:
    """A private preset brings its own image; an image without private access would be ignored, so it is said."""
    spec = _preset_spec(subject)
    if spec is None:
        return
    image = f"{_PRESET}.presetOptions.image"
    if spec.access_mode not in ("", PUBLIC, PRIVATE):
        yield Problem(
            Reason.FIELD_TYPE_INVALID,
            f"{_PRESET}.accessMode",
            f"{_PRESET}.accessMode is {quote(spec.access_mode)}",
            f"it is one of {PUBLIC}, {PRIVATE}",
            (f"use {PRIVATE} for an image of your own, else leave it out",),
        )
    elif not spec.image and subject.preset is not None and subject.preset.image is None:
        yield Problem(
            Reason.FIELD_REQUIRED,
            image,
            f"{image} is missing",
            f"no image of {subject.preset.name} is published, so it is yours to name",
            (f"set accessMode to {PRIVATE} and {image}", f"use {subject.preset.successor}"),
        )
    elif spec.access_mode == PRIVATE and not spec.image:
        yield Problem(
            Reason.FIELD_REQUIRED,
            image,
            f"{image} is missing",
            "accessMode is private, so the image is yours to name",
            (f"set {image}", f"set accessMode to {PUBLIC}"),
        )
    elif spec.image and spec.access_mode != PRIVATE:
        yield f"{image} is not used: accessMode is not {PRIVATE}"
    if spec.image and not is_image(spec.image):
        yield Problem(
            Reason.FIELD_TYPE_INVALID,
            image,
            f"{image} {quote(spec.image)} is no image reference",
            "it has the form registry/path:tag with a lower-case path",
            ("correct the reference, for example registry.example.com/models/phi-3:1",),
        )


def pull_secrets(subject: Subject) -> Iterator[Finding]:
    """Pull secrets are names of Secrets in the Workspace's own namespace."""
    spec = _preset_spec(subject)
    for index, secret in enumerate(spec.image_pull_secrets if spec else ()):
        if not is_subdomain(secret):
            field = f"{_PRESET}.presetOptions.imagePullSecrets[{index}]"
            yield Problem(
                Reason.NAME_INVALID,
                field,
                f"{field} {quote(secret)} is no name of a Secret",
                "names are 1 to 253 characters of a-z, 0-9, - and .",
                ("name a Secret of the Workspace's namespace",),
            )


def unsupported_inference(subject: Subject) -> Iterator[Finding]:
    """Fields this release does not act on are refused, never silently ignored."""
    inference = subject.workspace.inference or InferenceSpec()
    if inference.adapters:
        yield _not_supported("inference.adapters", "adapters", "remove inference.adapters to serve the plain model")
    if inference.config:
        yield _not_supported("inference.config", "own configurations", "remove inference.config to use the defaults")


def annotations(subject: Subject) -> Iterator[Finding]:
    """Annotations that steer the Workspace hold one of the words they know."""
    given = subject.workspace.annotations
    runtime = given.get(labels.RUNTIME, "")
    if runtime and subject.workspace.runtime_wish is None and subject.preset is not None:
        used = choose_runtime(None, subject.preset, subject.sku).runtime
        yield f"{labels.RUNTIME} {quote(runtime, 30)} is none of {', '.join(Runtime)}; {used} is used"
    public = given.get(labels.ENABLE_LOAD_BALANCER, "")
    if public.lower() == "true" and public != "True":
        yield f'{labels.ENABLE_LOAD_BALANCER} is {quote(public)}; only "True" makes the Service public'
    family = given.get(labels.NODE_IMAGE_FAMILY)
    if family is not None and family.strip().lower() not in NODE_IMAGE_FAMILIES:
        field = f"metadata.annotations[{labels.NODE_IMAGE_FAMILY}]"
        yield Problem(
            Reason.NOT_SUPPORTED,
            field,
            f"{field} is {quote(family)}",
            f"nodes are made of {len(NODE_IMAGE_FAMILIES)} families: {', '.join(NODE_IMAGE_FAMILIES)}",
            (*(f"use {known}" for known in NODE_IMAGE_FAMILIES), "remove the annotation"),
        )


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "workspace-name",
        ("metadata.name",),
        "The name can also name a Service: a DNS label that begins with a letter.",
        (Reason.FIELD_REQUIRED, Reason.NAME_INVALID),
        name,
    ),
    Rule(
        "annotations",
        ("metadata.annotations",),
        "Annotations that steer the Workspace hold one of the words they know.",
        (Reason.NOT_SUPPORTED,),
        annotations,
    ),
    Rule(
        "inference-or-tuning",
        ("inference", "tuning"),
        "Exactly one of inference and tuning is set.",
        (Reason.EXACTLY_ONE_OF, Reason.NOT_SUPPORTED),
        one_of_inference_and_tuning,
    ),
    Rule(
        "preset-or-template",
        ("inference.preset", "inference.template"),
        "Inference serves exactly one of a preset and a pod template.",
        (Reason.EXACTLY_ONE_OF, Reason.NOT_SUPPORTED),
        one_of_preset_and_template,
    ),
    Rule(
        "preset-known",
        ("inference.preset.name",),
        "The preset is in the catalogue and something of it is left to run.",
        (Reason.FIELD_REQUIRED, Reason.PRESET_UNKNOWN),
        preset_known,
    ),
    Rule(
        "weights-access",
        ("inference.preset.presetOptions.modelAccessSecret",),
        "Gated weights are downloaded with a Secret the user names.",
        (Reason.NAME_INVALID,),
        weights_access,
    ),
    Rule(
        "preset-access",
        ("inference.preset.accessMode", "inference.preset.presetOptions.image"),
        "A private preset brings its own image.",
        (Reason.FIELD_TYPE_INVALID, Reason.FIELD_REQUIRED),
        preset_access,
    ),
    Rule(
        "pull-secrets",
        ("inference.preset.presetOptions.imagePullSecrets",),
        "Pull secrets are names of Secrets in the Workspace's namespace.",
        (Reason.NAME_INVALID,),
        pull_secrets,
    ),
    Rule(
        "inference-supported",
        ("inference.adapters", "inference.config"),
        "Fields that are not acted on are refused.",
        (Reason.NOT_SUPPORTED,),
        unsupported_inference,
    ),
)
"""In the order in which their findings are shown."""


def _preset_spec(subject: Subject) -> PresetSpec | None:
    inference = subject.workspace.inference
    return inference.preset if inference is not None else None


def _example(subject: Subject) -> str:
    """A preset anybody can serve: current, with a published image and weights nobody has to approve."""
    every = subject.catalog.presets.values()
    free = (each.name for each in every if each.status is PresetStatus.ACTIVE and each.image and not each.gated)
    return next(free, subject.catalog.preset_names[0])


def _not_supported(field: str, thing: str, fix: str) -> Problem:
    return Problem(Reason.NOT_SUPPORTED, field, f"{field} is set", f"this release does not run {thing}", (fix,))
