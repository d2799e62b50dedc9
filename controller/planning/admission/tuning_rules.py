"""Rules about a training run: which model, how, with what, and where the result goes."""

from collections.abc import Iterator
from typing import Final

from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import DataDestination, TuningSpec
from controller.catalog import Catalog, Preset, PresetStatus
from controller.planning.admission.data_rules import INPUT, OUTPUT
from controller.planning.admission.findings import Cel, Finding, Rule, Subject
from controller.planning.admission.references import is_pinned, same_image
from controller.planning.rendering.data import KINDS, common_path, file_names, kinds_of
from controller.planning.sizing import TuningMethod

METHODS: Final = tuple(each.value for each in TuningMethod)

_PRESET: Final = "tuning.preset"
_METHOD: Final = "tuning.method"
_LISTED: Final = 10


def method(subject: Subject) -> Iterator[Finding]:
    """The method is one of the two there are, in any letter case."""
    tuning = subject.workspace.tuning
    if tuning is None or tuning.method.strip().lower() in METHODS:
        return
    fixes = tuple(f"use {each}" for each in reversed(METHODS))
    if not tuning.method:
        why = "it says how the model is tuned"
        yield Problem(Reason.FIELD_REQUIRED, _METHOD, f"{_METHOD} is missing", why, fixes)
        return
    what, why = f"{_METHOD} is {quote(tuning.method)}", f"{len(METHODS)} methods are known: {', '.join(METHODS)}"
    yield Problem(Reason.TUNING_METHOD_UNKNOWN, _METHOD, what, why, fixes)


def preset(subject: Subject) -> Iterator[Finding]:
    """There is a model to tune, and a program that tunes it."""
    tuning = subject.workspace.tuning
    if tuning is None:
        return
    if tuning.preset is None:
        why = "it says which model is tuned"
        fix = f"set {_PRESET}.name, for example to {tunable(subject.catalog)[0]}"
        yield Problem(Reason.FIELD_REQUIRED, _PRESET, f"{_PRESET} is missing", why, (fix,))
    elif subject.workspace.inference is None and subject.preset is not None:
        yield from _can_be_tuned(subject.preset, tuning, subject.catalog)


def tunable(catalog: Catalog, like: Preset | None = None) -> tuple[str, ...]:
    """Names of the current presets that can be tuned; those most like a model first, its family before its size."""
    every = {
        each.name: each
        for each in catalog.presets.values()
        if each.tuning is not None and each.runnable and each.status is PresetStatus.ACTIVE
    }
    if like is None:
        return tuple(every)
    size = like.parameters_b or 0.0
    far = {
        name: (each.family != like.family, abs((each.parameters_b or 0.0) - size), name) for name, each in every.items()
    }
    return tuple(sorted(every, key=far.__getitem__))


def _can_be_tuned(model: Preset, tuning: TuningSpec, catalog: Catalog) -> Iterator[Finding]:
    field, how = f"{_PRESET}.name", tuning.method.strip().lower()
    if model.tuning is None:
        known = tunable(catalog, model)
        what = f"{field} {quote(model.name)} cannot be tuned"
        why = f"no image trains it; {len(known)} presets can be tuned: {', '.join(sorted(known)[:_LISTED])}"
        yield Problem(Reason.PRESET_NOT_TUNABLE, field, what, why, tuple(f"use {each}" for each in known[:3]))
    elif how in METHODS and how not in model.tuning.methods:
        what, able = f"{_METHOD} is {quote(tuning.method)}", model.tuning.methods
        why = f"{model.name} can be tuned by {', '.join(able)}"
        yield Problem(Reason.PRESET_NOT_TUNABLE, _METHOD, what, why, tuple(f"use {each}" for each in able))


def data_input(subject: Subject) -> Iterator[Finding]:
    """The data come from exactly one place."""
    tuning = subject.workspace.tuning
    if tuning is None:
        return
    source = tuning.input
    if source is None:
        yield _absent(INPUT, "it says what the model learns from")
        return
    found = [
        name
        for name, is_set in (
            ("urls", source.urls),
            ("volumeSource", source.volume is not None),
            ("image", source.image),
        )
        if is_set
    ]
    if len(found) != 1:
        yield _not_one(INPUT, found, ("urls", "volumeSource", "image"))
    yield from _read(source.urls)


def _read(urls: tuple[str, ...]) -> Iterator[str]:
    names, remedy = file_names(urls), "say what is read in dataset_path and dataset_extension of tuning.config"
    odd = next((name for name in names if not kinds_of(name)), "")
    if odd:
        yield f"no file name with {', '.join(KINDS)} in it: {quote(odd)} is not known as data, so {remedy}"
    elif len(urls) > 1 and not common_path(urls):
        yield f"files of several kinds are not read together, so {remedy}"


def output(subject: Subject) -> Iterator[Finding]:
    """The result goes to exactly one place, and can be stored there."""
    tuning = subject.workspace.tuning
    if tuning is None:
        return
    if tuning.output is None:
        yield _absent(OUTPUT, "it says where the result goes")
        return
    found = [
        name
        for name, is_set in (("volumeSource", tuning.output.volume is not None), ("image", tuning.output.image))
        if is_set
    ]
    if len(found) != 1:
        yield _not_one(OUTPUT, found, ("volumeSource", "image"))
    yield from _push(tuning.output, tuning.input.image if tuning.input is not None else "")


def _push(destination: DataDestination, data: str) -> Iterator[Finding]:
    field, secret = f"{OUTPUT}.image", f"{OUTPUT}.imagePushSecret"
    if not destination.image:
        if destination.image_push_secret:
            yield f"{secret} is not used: {field} is not set"
        return
    if not destination.image_push_secret:
        why = f"registries take images only from those they know, and {field} is to be pushed"
        fix = f"set {secret} to a Secret of type kubernetes.io/dockerconfigjson"
        yield Problem(Reason.FIELD_REQUIRED, secret, f"{secret} is missing", why, (fix,))
    if is_pinned(destination.image):
        what, why = f"{field} {quote(destination.image)} cannot be pushed", "a digest names what is stored already"
        yield Problem(Reason.IMAGE_INVALID, field, what, why, ("name a tag instead of the digest",))
    elif data and same_image(destination.image, data):
        what, why = f"{field} {quote(destination.image)} is {INPUT}.image too", "the result would replace the data"
        yield Problem(Reason.IMAGE_INVALID, field, what, why, ("use another tag or repository",))


def _absent(field: str, why: str) -> Problem:
    return Problem(Reason.FIELD_REQUIRED, field, f"{field} is missing", why, (f"set {field}",))


def _not_one(field: str, found: list[str], choice: tuple[str, ...]) -> Problem:
    what = f"{field} sets {' and '.join(found) or 'nothing'}"
    why = f"it is exactly 1 of {', '.join(choice)}"
    fixes = tuple(f"keep only {each}" for each in found) or tuple(f"set {field}.{each}" for each in choice)
    return Problem(Reason.EXACTLY_ONE_OF, field, what, why, fixes)


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "tuning-preset",
        (_PRESET,),
        "A training run names a model that can be tuned by its method.",
        (Reason.FIELD_REQUIRED, Reason.PRESET_NOT_TUNABLE),
        preset,
        cel=(Cel("tuning", "has(self.preset)", f"preset must be set ({Reason.FIELD_REQUIRED})", ".preset"),),
    ),
    Rule(
        "tuning-method",
        (_METHOD,),
        f"The method is one of {', '.join(METHODS)}, in any letter case.",
        (Reason.FIELD_REQUIRED, Reason.TUNING_METHOD_UNKNOWN),
        method,
        cel=(
            Cel(
                "tuning",
                f"has(self.method) && self.method.trim().lowerAscii() in {list(METHODS)}",
                f"method must be one of {', '.join(METHODS)} ({Reason.TUNING_METHOD_UNKNOWN})",
                ".method",
            ),
        ),
    ),
    Rule(
        "tuning-input",
        (INPUT,),
        "The data come from exactly one of addresses, a volume and an image.",
        (Reason.FIELD_REQUIRED, Reason.EXACTLY_ONE_OF),
        data_input,
        cel=(
            Cel(
                INPUT,
                "(has(self.urls) && self.urls.size() > 0 ? 1 : 0) + (has(self.volumeSource) ? 1 : 0)"
                " + (has(self.image) && self.image != '' ? 1 : 0) == 1",
                f"exactly one of urls, volumeSource and image must be set ({Reason.EXACTLY_ONE_OF})",
            ),
        ),
    ),
    Rule(
        "tuning-output",
        (OUTPUT,),
        "The result goes to exactly one of a volume and an image that can be pushed.",
        (Reason.FIELD_REQUIRED, Reason.EXACTLY_ONE_OF, Reason.IMAGE_INVALID),
        output,
        cel=(
            Cel(
                OUTPUT,
                "has(self.volumeSource) != (has(self.image) && self.image != '')",
                f"exactly one of volumeSource and image must be set ({Reason.EXACTLY_ONE_OF})",
            ),
            Cel(
                OUTPUT,
                "!has(self.image) || self.image == '' || (has(self.imagePushSecret) && self.imagePushSecret != '')",
                f"imagePushSecret must be set, since image is to be pushed ({Reason.FIELD_REQUIRED})",
                ".imagePushSecret",
            ),
            Cel(
                OUTPUT,
                "!has(self.image) || !self.image.contains('@')",
                f"image must name a tag, not a digest ({Reason.IMAGE_INVALID})",
                ".image",
            ),
        ),
    ),
)
"""In the order in which their findings are shown."""
