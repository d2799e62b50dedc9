"""Training data: downloaded, unpacked from an image, or mounted, in the folder the training program reads."""

import re
from dataclasses import dataclass
from typing import Final

from controller.api.json import Json
from controller.api.workspace import DataSource
from controller.planning.rendering.parts import CONFINED, literal
from controller.planning.rendering.programs import FETCH
from controller.planning.rendering.pulling import SCRATCH, key_mounts, key_volumes, pull_container
from controller.planning.urls import address_policy

DATA_PATH: Final = "/mnt/data"
"""Where the training program looks for data. Source: kaito-project/kaito's training program."""

KINDS: Final = ("parquet", "json", "csv", "arrow", "webdataset")
"""Kinds of files the training program reads, which it tells by their names. Source: kaito-project/kaito's training
program."""

_VOLUME: Final = "data"
_ODD: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Data:
    """What training data add to a pod.

    Attributes:
        mount: where the training program finds them.
        volumes: volumes of the pod.
        fetchers: init containers that fetch them.
    """

    mount: Json
    volumes: tuple[Json, ...]
    fetchers: tuple[Json, ...] = ()


def render_data(source: DataSource | None, image: str, disk_gib: int) -> Data:
    """What a source of training data adds to the pod.

    Args:
        source: where the data come from.
        image: the image of the training program; its Python fetches what comes from addresses, so that no further
            image has to be pulled.
        disk_gib: disk a node needs for the run, in GiB. Data that would take more than all of it are refused by the
            kubelet, which ends this pod and says why, before the disk of a larger node is full for all its pods.
    """
    mount = {"name": _VOLUME, "mountPath": DATA_PATH}
    if source is not None and source.volume is not None:
        return Data({**mount, "readOnly": True}, ({**source.volume, "name": _VOLUME},))
    volume = {"name": _VOLUME, "emptyDir": {"sizeLimit": f"{disk_gib}Gi"}}
    if source is not None and source.image:
        keys = key_volumes(_VOLUME, source.image_pull_secrets)
        puller = pull_container("pull-data", source.image, mount, DATA_PATH, key_mounts(keys))
        return Data(mount, (volume, SCRATCH, *keys), (puller,))
    urls = source.urls if source is not None else ()
    return Data(mount, (volume,), (_downloader(urls, image, mount),))


def file_names(urls: tuple[str, ...]) -> tuple[str, ...]:
    """The files the data of each address are stored in: their last segments, made to differ. Total."""
    names: list[str] = []
    for number, url in enumerate(urls, 1):
        path = re.split("[?#]", url, maxsplit=1)[0].partition("//")[2].partition("/")[2]
        name = _ODD.sub("_", path.rpartition("/")[2])[-_NAME_LENGTH:].strip(".") or "data"
        while name in names:
            name = f"{number}-{name}"
        names.append(name)
    return tuple(names)


def common_path(urls: tuple[str, ...]) -> str:
    """A pattern for all files of several addresses, in the form of the training program's `dataset_path`.

    Without one it would read the first file only. Empty where there is but one address, or where the files are not all
    of one kind, which cannot be read together.
    """
    kinds = [kinds_of(name) for name in file_names(urls)]
    shared = [kind for kind in KINDS if all(found == (kind,) for found in kinds)]
    return f"data/*{shared[0]}*" if len(urls) > 1 and shared else ""


def kinds_of(name: str) -> tuple[str, ...]:
    """The kinds a file could be of by its name."""
    return tuple(kind for kind in KINDS if kind in name.lower())


def _downloader(urls: tuple[str, ...], image: str, mount: Json) -> Json:
    pairs = zip(file_names(urls), map(literal, urls), strict=True)
    return {
        "name": "download-data",
        "image": image,
        "command": ["python3", "-c", FETCH, DATA_PATH, address_policy(), *(word for pair in pairs for word in pair)],
        "volumeMounts": [mount],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONFINED,
    }
