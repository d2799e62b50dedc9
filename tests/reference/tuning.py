"""Tuning: what from, how, and where to."""

from typing import Any, Final

from controller.api.json import Json
from tests.reference.rows import Row, no, tune, yes

KEY: Final = "training_config.yaml"
CLAIM: Final = {"persistentVolumeClaim": {"claimName": "data"}}
QUANTIZED: Final = "training_config:\n  QuantizationConfig:\n    load_in_4bit: true\n"


def read(**source: Any) -> Json:
    """The base that reads from elsewhere."""
    return tune(tuning__input=source)


def fetched(url: str) -> Json:
    """The base that reads from a URL."""
    return read(urls=[url])


def written(**destination: Any) -> Json:
    """The base that writes elsewhere."""
    return tune(tuning__output=destination)


def configured(answer: Any, number: str, does: str, text: str | None, *says: str, **more: Any) -> Row:
    """A row whose manifest names a ConfigMap with that text; None where there is no such ConfigMap."""
    method = more.pop("method", "qlora")
    name = f"config-{number.lower()}"
    present = {} if text is None else {name: {KEY: text}}
    manifest = tune(tuning__config=name, tuning__method=method)
    row: Row = answer(number, does, manifest, *says, config_maps=present, **more)
    return row


TUNING: Final[tuple[Row, ...]] = (
    yes("A-03", "tunes", tune()),
    # Method and model.
    yes("A-36", "spells the method in any letter case", tune(tuning__method="QLoRA")),
    yes("A-37", "tunes with LoRA", tune(tuning__method="lora")),
    no(
        "A-40",
        "tunes a model nobody can tune",
        tune(**{"tuning.preset.name": "llama-3.3-70b-instruct"}),
        "tuning.preset.name",
        differs="KAITO takes it and fails later: no tuning image knows the model",
    ),
    no("D-61", "tunes by a method nobody knows", tune(tuning__method="full"), "tuning.method"),
    no("D-61", "tunes by no method", tune(tuning__method=None), "tuning.method"),
    no("D-73", "tunes no model", tune(tuning__preset=None), "tuning.preset"),
    yes(
        "D-74",
        "tunes falcon-7b",
        tune(**{"tuning.preset.name": "falcon-7b"}),
        differs="examples KAITO publishes do, and the tuning image of falcon-7b still runs",
    ),
    no("D-75", "tunes on two nodes", tune(resource__count=2), "resource.count"),
    # Input.
    yes(
        "A-38",
        "reads from a volume and writes to one",
        tune(tuning__input={"volumeSource": CLAIM}, tuning__output={"volumeSource": CLAIM}),
    ),
    yes("A-41", "reads from a public address", fetched("https://8.8.8.8/x")),
    no("D-62", "reads nothing", tune(tuning__input=None), "tuning.input"),
    no("D-63", "reads from nowhere", read(name="x"), "tuning.input"),
    no("D-64", "reads from two places", read(urls=["https://example.com/x"], image="r.io/data:1"), "tuning.input"),
    no("D-65", "reads by FTP", fetched("ftp://example.com/x"), "tuning.input.urls[0]"),
    no("D-66", "reads from a URL without a scheme", fetched("example.com/x"), "tuning.input.urls[0]"),
    *(
        no("D-67", f"reads from {url}", fetched(url), "tuning.input.urls[0]")
        for url in ("http://localhost/x", "http://a.localhost/x", "http://metadata.google.internal/")
    ),
    *(
        no("D-68", f"reads from {url}", fetched(url), "tuning.input.urls[0]")
        for url in ("http://169.254.169.254/", "http://10.0.0.1/", "http://[::1]/")
    ),
    no("D-69", "reads from an image in capital letters", read(image="Registry.io/Team/Data:1"), "tuning.input.image"),
    # Output.
    yes("A-39", "writes to an image without registry", written(image="adapter", imagePushSecret="push-secret")),
    no("D-70", "writes to an image without a Secret", written(image="r.io/a:1"), "imagePushSecret"),
    no(
        "D-71",
        "writes to two places",
        written(image="r.io/a:1", imagePushSecret="push-secret", volumeSource=CLAIM),
        "tuning.output",
    ),
    no("D-72", "writes to nowhere", written(), "tuning.output"),
    # Configuration.
    configured(
        yes,
        "D-76",
        "names a ConfigMap that is not there",
        None,
        "config-d-76",
        differs="objects may be applied in any order: a warning now, and the controller looks again",
    ),
    configured(no, "D-77", "has a section nobody knows", QUANTIZED + "  Optimizer: {}\n", "Optimizer"),
    configured(no, "D-78", "quantizes for LoRA", QUANTIZED, "load_in_4bit", method="lora"),
    configured(
        no, "D-79", "does not quantize for QLoRA", "training_config:\n  LoraConfig: {r: 8}\n", "QuantizationConfig"
    ),
    configured(
        no,
        "D-80",
        "writes yes for true",
        'training_config:\n  QuantizationConfig:\n    load_in_4bit: "yes"\n',
        "load_in_4bit",
    ),
    configured(
        no,
        "D-81",
        "writes out of its folder",
        QUANTIZED + '  TrainingArguments:\n    output_dir: "../etc"\n',
        "output_dir",
    ),
)
"""In the order of the sections."""
