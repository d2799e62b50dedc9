"""Serving: presets, runtimes, adapters, pod templates, names and annotations."""

from typing import Any, Final

from controller.api.json import Json
from tests.reference.rows import TUNED, Row, Where, alpha, annotated, inf, no, served, tmpl, yes


def adapter(name: str = "a1", **more: Any) -> Json:
    """An adapter out of an image."""
    return {"source": {"name": name, "image": "r.io/a:1"}, **more}


def adapters(*entries: Json) -> Json:
    """The base with adapters."""
    return inf(inference__adapters=list(entries))


INFERENCE: Final[tuple[Row, ...]] = (
    yes("A-01", "serves a preset", inf()),
    yes("A-02", "serves a pod template of the user's own", tmpl()),
    # Presets.
    yes("A-12", "names a model by its id, in other letter case", served("microsoft/Phi-4-Mini-Instruct")),
    yes("A-13", "names a preset in other letter case", served("PHI-4-mini-INSTRUCT")),
    yes("A-15", "serves a gated model without a Secret", served("meta-llama/Llama-3.1-8B-Instruct"), "gated"),
    yes("A-16", "names a Secret nobody has seen", inf(**{"inference.preset.presetOptions.modelAccessSecret": "hf"})),
    yes(
        "A-34",
        "is private without an image",
        inf(**{"inference.preset.accessMode": "private"}),
        "inference.preset.presetOptions.image is not set",
    ),
    no(
        "A-35",
        "names a model of three parts",
        served("a/b/c"),
        "(PresetUnknown)",
        differs="no admission waits for the network: an id that is not in the catalogue is added to it by a ConfigMap",
    ),
    no("D-11", "names no model", served("no-such-model"), "(PresetUnknown)"),
    yes("D-12", "serves phi-2", served("phi-2"), "successor", differs="the image of phi-2 is still published and runs"),
    yes(
        "D-13",
        "serves falcon-7b",
        served("falcon-7b"),
        "successor",
        differs="the image of falcon-7b is still published and runs",
    ),
    no("D-14", "names an id without a model", served("org/"), "(PresetUnknown)"),
    no("D-15", "has a preset without a name", inf(**{"inference.preset": {}}), "inference.preset.name"),
    no("D-16", "names a model Hugging Face does not have", served("some-org/does-not-exist"), "(PresetUnknown)"),
    no("D-17", "names a model no server can run", served("google-bert/bert-base-uncased"), "(PresetUnknown)"),
    no("D-20", "spells the access mode Public", inf(**{"inference.preset.accessMode": "Public"}), "accessMode"),
    no(
        "D-21",
        "is private without an image, in v1alpha1",
        alpha(inf(**{"inference.preset.accessMode": "private"})),
        "(FieldRequired)",
    ),
    # Runtimes.
    yes("A-17", "serves phi-4 with transformers", annotated(served("phi-4"), runtime="transformers")),
    yes("A-18", "asks for a runtime nobody knows", annotated(inf(), runtime="something"), "vllm is used"),
    no(
        "D-22",
        "asks for transformers where the model has only vLLM",
        annotated(served("google/gemma-4-12B-it"), runtime="transformers"),
    ),
    no(
        "D-23",
        "serves 131 GiB on 80 GiB with transformers",
        annotated(served("llama-3.3-70b-instruct"), runtime="transformers"),
        "serves a model on 1 node",
    ),
    no(
        "D-24",
        "does so and bypasses the checks",
        annotated(served("llama-3.3-70b-instruct"), runtime="transformers", bypass_resource_checks=""),
    ),
    no(
        "D-25",
        "does so on two nodes",
        annotated(served("llama-3.3-70b-instruct", resource__count=2), runtime="transformers"),
    ),
    # Adapters.
    yes("A-19", "serves an adapter", adapters(adapter())),
    yes(
        "A-20",
        "serves half an adapter with transformers",
        annotated(
            served("phi-3-mini-128k-instruct", inference__adapters=[adapter(strength="0.5")]), runtime="transformers"
        ),
    ),
    yes(
        "A-21", "reads an adapter from a volume", adapters({"source": {"name": "a1", "volumeSource": {"emptyDir": {}}}})
    ),
    no(
        "A-22",
        "calls an adapter Bad_Name",
        adapters(adapter("Bad_Name")),
        "(NameInvalid)",
        differs="KAITO takes it and then refuses every change of the object, its own finalizer's removal among them",
    ),
    yes(
        "D-26",
        "gives an adapter a strength under vLLM",
        adapters(adapter(strength="0.5")),
        "strength",
        differs="an example KAITO publishes does; vLLM serves the adapter in full, and a warning says so",
    ),
    no("D-27", "writes a strength as a number", adapters(adapter(strength=0.5)), "strength"),
    no(
        "D-28", "serves eleven adapters", adapters(*(adapter(f"a{index}") for index in range(11))), "inference.adapters"
    ),
    no("D-29", "gives two adapters one name", adapters(adapter(), adapter()), "inference.adapters[1]"),
    no("D-30", "has an adapter without a source", adapters({"strength": "1"}), "inference.adapters[0].source"),
    # Pod templates.
    no(
        "D-18",
        "has a preset and a pod template",
        {**inf(), "inference": {**inf()["inference"], **tmpl()["inference"]}},
        "(ExactlyOneOf)",
    ),
    no("D-19", "has neither", inf(inference={}), "(ExactlyOneOf)"),
    no(
        "D-46",
        "misspells a field of the pod template",
        tmpl(**{"inference.template.spec.containres": []}),
        "containres",
    ),
    yes("A-42", "has a pod template and no nodes to choose", tmpl(resource=None), where=Where.EXISTING),
    # What a Workspace is.
    no("D-04", "serves nothing and tunes nothing", inf(inference=None), "(ExactlyOneOf)"),
    no("D-05", "serves and tunes", inf(tuning=TUNED["tuning"]), "(ExactlyOneOf)"),
    # Names.
    yes("A-33", "has a name that begins with a digit", inf(metadata__name="1abc")),
    no("D-01", "is called Base_Inf", inf(metadata__name="Base_Inf"), "metadata.name"),
    no("D-02", "has a dot in its name", inf(metadata__name="a.b"), "metadata.name", "(NameInvalid)"),
    no("D-03", "has a name of 64 characters", inf(metadata__name="x" * 64), "metadata.name", "(NameInvalid)"),
    # Annotations.
    yes("A-27", "sets a performance mode", annotated(inf(), performance_mode="throughput")),
    yes("A-28", "writes the node image family with blanks", annotated(inf(), node_image_family=" AzureLinux ")),
    yes("A-29", "names a node class", annotated(inf(), node_class_name="foo")),
    no("D-36", "sets a performance mode nobody knows", annotated(inf(), performance_mode="fast"), "fast"),
    no("D-36", "sets an empty performance mode", annotated(inf(), performance_mode=""), "performance-mode"),
    no("D-37", "says True instead of true for local weights", annotated(inf(), use_local_weights="True"), "True"),
    no("D-38", "asks for nodes of windows", annotated(inf(), node_image_family="windows"), "windows"),
    yes(
        "D-39",
        "names a node class that is not managed",
        annotated(inf(), node_class_name="foo"),
        "kaito.sh/node-class-name",
        differs="nodes are made through the provisioner of this project, which has no node classes; a warning says so",
    ),
    yes(
        "D-45",
        "would stream weights without the CSI driver",
        inf(),
        differs="weights are not streamed through a CSI driver, so none is missing",
    ),
)
"""In the order of the sections."""
