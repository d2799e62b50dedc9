"""What a configuration can ask less of, so that the model fits the GPUs it is given without another size of nodes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from controller.api.messages import quote
from controller.catalog import Preset, Sku
from controller.planning.admission.findings import Subject
from controller.planning.configs.lookup import inference_config, named_config
from controller.planning.sizing import Precision, TuningUse, Use, fit

_ROUND: Final = 256
"""Contexts are proposed in whole multiples of it."""

_STEPS: Final = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
_NAME_LENGTH: Final = 63


def eased(subject: Subject, *, nodes: int = 1) -> tuple[str, ...]:
    """The change of one value that makes a configuration fit the Workspace's nodes; nothing where none does.

    Args:
        subject: a Workspace that does not fit.
        nodes: the nodes it has.
    """
    named = named_config(subject.workspace, subject.site)
    preset, sku = subject.preset, subject.sku
    if named is None or named.text is None or preset is None or sku is None:
        return ()
    place = f"in ConfigMap {quote(named.name, _NAME_LENGTH)}"
    run = subject.use.tuning
    ways = _serving(subject, preset, sku, nodes) if run is None else _training(run, preset, sku, nodes)
    return tuple(f"{way} {place}" for way in ways)[:1]


def _serving(subject: Subject, preset: Preset, sku: Sku, nodes: int) -> Iterator[str]:
    use, config = subject.use, inference_config(subject.workspace, subject.site)
    if use.context is not None:
        shorter = fit(preset, sku, replace(use, context=None), nodes=nodes)
        most = shorter.longest_context // _ROUND * _ROUND
        if shorter.fits and shorter.context <= most < use.context:
            yield f"write max-model-len: {most}"
    plainer = (
        ("gpu-memory-utilization", replace(use, percent=None)),
        ("dtype", replace(use, precision=Precision.AUTO)),
        ("tensor-parallel-size", replace(use, tensor=None)),
        ("max-lora-rank", replace(use, adapter_rank=Use().adapter_rank)),
        ("max-loras", replace(use, adapters=min(use.adapters, 1))),
    )
    for flag, other in plainer:
        if flag in config.flags and other != use and fit(preset, sku, other, nodes=nodes).fits:
            yield "write max-loras: 1" if flag == "max-loras" else f"remove {flag}"


def _training(run: TuningUse, preset: Preset, sku: Sku, nodes: int) -> Iterator[str]:
    def holds(other: TuningUse) -> bool:
        return fit(preset, sku, Use(tuning=other), nodes=nodes).fits

    if run.base is not Precision.AUTO and holds(replace(run, base=Precision.AUTO)):
        yield "write torch_dtype: float16" if run.base is Precision.FLOAT32 else "write load_in_4bit for load_in_8bit"
    for key, now in (("per_device_train_batch_size", run.batch), ("r", run.rank)):
        for less in (step for step in _STEPS if step < now):
            if holds(replace(run, batch=less) if key != "r" else replace(run, rank=less)):
                yield f"write {key}: {less}"
                break
