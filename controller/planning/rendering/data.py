"""Training data: downloaded, unpacked from an image, or mounted, in the folder the training program reads."""

from dataclasses import dataclass
from typing import Final

from controller.api.json import Json
from controller.api.workspace import DataSource
from controller.planning.rendering.images import DOWNLOADER
from controller.planning.rendering.parts import CONFINED
from controller.planning.rendering.pulling import SCRATCH, key_mounts, key_volumes, pull_container

DATA_PATH: Final = "/mnt/data"
"""Where the training program looks for data. Source: kaito-project/kaito's training program."""

_VOLUME: Final = "data"

DOWNLOAD: Final = """set -eu
target="$1"; shift
count=0
for url in "$@"; do
  count=$((count + 1))
  path="${url%%[?#]*}"; name="${path##*/}"
  [ -n "$name" ] || name=data
  [ ! -e "$target/$name" ] || name="$count-$name"
  part="$target/.$name.part"
  curl --fail --silent --show-error --location --max-redirs 5 --proto '=http,https' \\
    --connect-timeout 30 --speed-limit 1024 --speed-time 120 \\
    --retry 5 --retry-delay 2 --retry-max-time 600 --retry-all-errors --output "$part" "$url"
  [ -s "$part" ] || { echo "nothing came from url $count, $name is empty"; exit 1; }
  mv "$part" "$target/$name"
done
"""
"""Fetches each URL into a folder under its last path segment; an error, a broken transfer or an empty file fails."""


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


def render_data(source: DataSource | None) -> Data:
    """What a source of training data adds to the pod."""
    mount = {"name": _VOLUME, "mountPath": DATA_PATH}
    if source is not None and source.volume is not None:
        return Data({**mount, "readOnly": True}, ({**source.volume, "name": _VOLUME},))
    volume = {"name": _VOLUME, "emptyDir": {}}
    if source is not None and source.image:
        keys = key_volumes(_VOLUME, source.image_pull_secrets)
        puller = pull_container("pull-data", source.image, mount, DATA_PATH, key_mounts(keys))
        return Data(mount, (volume, SCRATCH, *keys), (puller,))
    urls = source.urls if source is not None else ()
    return Data(mount, (volume,), (_downloader(urls, mount),))


def _downloader(urls: tuple[str, ...], mount: Json) -> Json:
    return {
        "name": "download-data",
        "image": DOWNLOADER,
        "command": ["/bin/sh", "-c", DOWNLOAD, "download", DATA_PATH, *urls],
        "volumeMounts": [mount],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONFINED,
    }
