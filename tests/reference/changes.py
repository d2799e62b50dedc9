"""Changes of what is stored."""

from typing import Any, Final

from controller.api.json import Json
from tests.reference.existing import A100_LABELS, byo, mig
from tests.reference.inference import adapter
from tests.reference.rows import A100, Row, Where, annotated, inf, no, served, tmpl, tune, yes
from tests.unit.planning.manifests import changed

OTHER: Final = "Standard_NC48ads_A100_v4"
ADAPTED: Final = inf(inference__adapters=[adapter()])
BADLY_NAMED: Final = inf(metadata__name="badly-named", inference__adapters=[adapter("Bad_Name")])


def moved(answer: Any, number: str, does: str, old: Json, new: Json, *says: str, **more: Any) -> Row:
    """A row about a change."""
    row: Row = answer(number, does, new, *says, old=old, **more)
    return row


def moved_byo(answer: Any, number: str, does: str, before: Json, after: Json, *says: str, **more: Any) -> Row:
    """A row about a change of the resource block, on two nodes of its own."""
    pool = number.lower()
    nodes = {
        f"{pool}-{index}": {"pool": pool, "node.kubernetes.io/instance-type": A100, **A100_LABELS} for index in (0, 1)
    }
    old, new = byo(pool), byo(pool)
    old["resource"] |= before
    new["resource"] |= after
    return moved(answer, number, does, old, new, *says, where=Where.EXISTING, nodes=nodes, **more)


CHANGES: Final[tuple[Row, ...]] = (
    # What may change.
    moved(yes, "A-48", "adds an adapter", inf(), ADAPTED),
    moved(yes, "A-48", "removes its adapters", ADAPTED, inf()),
    moved(yes, "A-48", "names a ConfigMap that is not there", inf(), inf(inference__config="missing"), "missing"),
    moved(
        yes,
        "A-49",
        "runs another image in its pod template",
        tmpl(),
        tmpl(**{"inference.template.spec.containers": [{"name": "main", "image": "example.io/serve:2"}]}),
    ),
    moved(
        yes,
        "A-50",
        "tunes with other data",
        tune(),
        tune(tuning__input={"urls": ["https://example.com/more.parquet"]}),
    ),
    moved(yes, "A-50", "tunes by another configuration", tune(), tune(tuning__config="missing")),
    moved(yes, "A-50", "writes to another image", tune(), tune(**{"tuning.output.image": "r.io/out/adapter:2"})),
    moved(
        yes,
        "A-51",
        "writes its selector in the other form",
        inf(),
        inf(resource__labelSelector={"matchExpressions": [{"key": "apps", "operator": "In", "values": ["base-inf"]}]}),
    ),
    moved_byo(yes, "A-52", "drops the size on existing nodes", {"instanceType": A100}, {}),
    moved(yes, "A-53", "sets an annotation to nonsense", inf(), annotated(inf(), performance_mode="nonsense")),
    # What may not.
    moved(no, "D-82", "serves another preset", inf(), served("phi-4"), "(FieldImmutable)"),
    moved(
        yes,
        "D-83",
        "names a Secret for the weights",
        inf(),
        inf(**{"inference.preset.presetOptions.modelAccessSecret": "hf"}),
        differs="Secrets are renewed and forgotten: the model stays the same, so the Workspace need not be made anew",
    ),
    moved(
        no,
        "D-84",
        "serves a pod template instead",
        inf(),
        changed(inf(), "inference", tmpl()["inference"]),
        "(FieldImmutable)",
    ),
    moved(no, "D-85", "tunes instead", inf(), {**inf(inference=None), "tuning": tune()["tuning"]}, "(FieldImmutable)"),
    moved(no, "D-86", "asks for a second node", inf(resource__count=1), inf(resource__count=2), "(FieldImmutable)"),
    moved(no, "D-87", "moves to another size", inf(), inf(resource__instanceType=OTHER), "(FieldImmutable)"),
    moved(
        yes,
        "D-87",
        "spells its size in other letter case",
        inf(),
        inf(resource__instanceType=A100.lower()),
        differs="it is the same size",
    ),
    moved(
        yes,
        "D-88",
        "no longer names its size",
        inf(),
        inf(resource__instanceType=None),
        differs="the stored size is kept, so that the manifest whose size was chosen can be applied again",
    ),
    moved_byo(
        yes,
        "D-89",
        "names the size of its existing nodes",
        {},
        {"instanceType": A100},
        differs="a size can be named once where none was; it narrows the nodes to those of that size",
    ),
    moved(no, "D-90", "selects other nodes", inf(), inf(resource__labelSelector={"matchLabels": {"apps": "x"}})),
    moved(
        no,
        "D-91",
        "gives an adapter twice its strength",
        inf(),
        inf(inference__adapters=[adapter(strength="2")]),
        "strength",
    ),
    moved(
        no,
        "D-92",
        "reads an adapter from a URL",
        inf(),
        inf(inference__adapters=[{"source": {"name": "a1", "urls": ["https://example.com/a"]}}]),
        "inference.adapters[0]",
    ),
    moved(
        yes,
        "D-93",
        "is labelled while an adapter has a bad name",
        BADLY_NAMED,
        changed(BADLY_NAMED, "metadata.labels", {"team": "a"}),
        stored_by_kaito=True,
        differs="what was wrong before does not forbid a change of something else",
    ),
    moved(no, "D-94", "tunes by another method", tune(), tune(tuning__method="lora"), "(FieldImmutable)"),
    moved(
        no,
        "D-94",
        "tunes another model",
        tune(),
        tune(**{"tuning.preset.name": "phi-3-mini-4k-instruct"}),
        "(FieldImmutable)",
    ),
    moved(
        no,
        "D-95",
        "calls its input by another name",
        tune(**{"tuning.input.name": "one"}),
        tune(**{"tuning.input.name": "two"}),
        "(FieldImmutable)",
    ),
    moved_byo(no, "D-96", "asks for a part of its nodes", {}, mig("2g.24gb"), "(FieldImmutable)"),
)
"""First what may change, then what may not."""
