"""Rules about what a Workspace is called, and that it does exactly one thing."""

from collections.abc import Iterator
from typing import Final

from controller.api.json import metadata_of
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.planning.admission.findings import Cel, Finding, Rule, Subject
from controller.planning.admission.preset_rules import example_preset
from controller.planning.names import LABEL_LENGTH, LABEL_PATTERN, as_dns_label, is_dns_label

GENERATED_SUFFIX: Final = 5
"""Characters the API server appends to metadata.generateName."""

_PRESET: Final = "inference.preset"
_LABEL_GRAMMAR: Final = "it names a Service: 1 to 63 characters of a-z, 0-9 and -, none of them - at either end"


def name(subject: Subject) -> Iterator[Finding]:
    """metadata.name must be able to name the Service; a generated name is judged by its prefix."""
    given = subject.workspace.name
    prefix = str(metadata_of(subject.obj).get("generateName") or "")
    if not given and prefix:
        given = prefix[: LABEL_LENGTH - GENERATED_SUFFIX] + "0" * GENERATED_SUFFIX
    if not given:
        what = "metadata.name is missing"
        yield Problem(Reason.FIELD_REQUIRED, "metadata.name", what, _LABEL_GRAMMAR, ("set metadata.name",))
    elif not is_dns_label(given):
        what, fix = f"metadata.name {quote(given)} cannot be used", f"use a name such as {quote(as_dns_label(given))}"
        yield Problem(Reason.NAME_INVALID, "metadata.name", what, _LABEL_GRAMMAR, (fix,))
    elif given[0].isdigit():
        yield f"metadata.name {quote(given)} begins with a digit: before Kubernetes 1.36 no Service can be named so"


def one_of_inference_and_tuning(subject: Subject) -> Iterator[Finding]:
    """A Workspace does one thing."""
    workspace = subject.workspace
    if workspace.inference is not None and workspace.tuning is not None:
        what, why = "both inference and tuning are set", "a Workspace does 1 of the 2"
        yield Problem(Reason.EXACTLY_ONE_OF, "inference", what, why, ("remove tuning", "remove inference"))
    elif workspace.inference is None and workspace.tuning is None:
        what, why = "neither inference nor tuning is set", "a Workspace does exactly 1 of the 2"
        fix = f"set {_PRESET}.name, for example to {example_preset(subject.catalog)}"
        yield Problem(Reason.EXACTLY_ONE_OF, "inference", what, why, (fix,))


def one_of_preset_and_template(subject: Subject) -> Iterator[Finding]:
    """Inference serves a preset or runs a pod template of the user."""
    inference = subject.workspace.inference
    if inference is None:
        return
    if inference.preset is not None and inference.template is not None:
        what, why = f"both {_PRESET} and inference.template are set", "inference runs 1 of the 2"
        fixes = ("remove inference.template", f"remove {_PRESET}")
        yield Problem(Reason.EXACTLY_ONE_OF, _PRESET, what, why, fixes)
    elif inference.preset is None and inference.template is None:
        what, why = f"neither {_PRESET} nor inference.template is set", "inference runs exactly 1 of the 2"
        fix = f"set {_PRESET}.name, for example to {example_preset(subject.catalog)}"
        yield Problem(Reason.EXACTLY_ONE_OF, _PRESET, what, why, (fix,))


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "workspace-name",
        ("metadata.name",),
        "The name can also name a Service: a DNS-1123 label.",
        (Reason.FIELD_REQUIRED, Reason.NAME_INVALID),
        name,
        cel=(
            Cel(
                "",
                f"size(self.metadata.name) <= {LABEL_LENGTH} && self.metadata.name.matches('^{LABEL_PATTERN}$')",
                f"metadata.name must be a DNS-1123 label, as it names a Service ({Reason.NAME_INVALID})",
                ".metadata",
            ),
        ),
    ),
    Rule(
        "inference-or-tuning",
        ("inference", "tuning"),
        "Exactly one of inference and tuning is set.",
        (Reason.EXACTLY_ONE_OF,),
        one_of_inference_and_tuning,
        cel=(
            Cel(
                "",
                "has(self.inference) != has(self.tuning)",
                f"exactly one of inference and tuning must be set ({Reason.EXACTLY_ONE_OF})",
                ".inference",
            ),
        ),
    ),
    Rule(
        "preset-or-template",
        (_PRESET, "inference.template"),
        "Inference serves exactly one of a preset and a pod template.",
        (Reason.EXACTLY_ONE_OF,),
        one_of_preset_and_template,
        cel=(
            Cel(
                "inference",
                "has(self.preset) != has(self.template)",
                f"exactly one of preset and template must be set ({Reason.EXACTLY_ONE_OF})",
            ),
        ),
    ),
)
"""In the order in which their findings are shown."""
