"""The init container that brings the `/data` folder of an image into a volume.

Adapters and training data are shipped as images whose layers hold a folder `data`, as KAITO's tuning writes them.
"""

from typing import Final

from controller.api.json import Json
from controller.planning.rendering.images import PULLER
from controller.planning.rendering.parts import CONFINED

SCRATCH: Final[Json] = {"name": "pull-scratch", "emptyDir": {}}
"""Room for the layers while they are unpacked."""

_SCRATCH_PATH: Final = "/scratch"
_KEYS_PATH: Final = "/keys"

PULL: Final = """set -eu
work="/scratch/$1"; image="$2"; target="$3"
rm -rf "$work"; mkdir -p "$work/image" "$work/root" "$target"
fetch() { timeout 3600 skopeo copy --retry-times 3 --dest-decompress "$@" "docker://$image" "dir:$work/image"; }
found=
for key in /keys/*/.dockerconfigjson; do
  if [ -f "$key" ] && fetch --src-authfile "$key"; then found=yes; break; fi
done
if [ -z "$found" ]; then fetch --src-no-creds; fi
skopeo inspect --format '{{range .Layers}}{{println .}}{{end}}' "dir:$work/image" | while read -r layer; do
  if [ -n "$layer" ]; then tar -xf "$work/image/${layer#*:}" -C "$work/root" --no-same-owner --exclude='dev/*'; fi
done
if [ ! -d "$work/root/data" ]; then echo "image $image holds no folder /data"; exit 1; fi
cp -R "$work/root/data/." "$target/"
rm -rf "$work"
"""


def pull_container(name: str, image: str, mount: Json, target: str, keys: tuple[Json, ...]) -> Json:
    """The init container that copies the `/data` folder of an image to a folder.

    Args:
        name: its name.
        image: the image to fetch.
        mount: the volume mount that holds the target folder.
        target: the folder to fill; made where it is missing.
        keys: volume mounts of the Secrets to try, from `key_mounts`; without any that works it is tried without.
    """
    return {
        "name": name,
        "image": PULLER,
        "command": ["/bin/sh", "-c", PULL, "pull", name, image, target],
        "volumeMounts": [{"name": SCRATCH["name"], "mountPath": _SCRATCH_PATH}, mount, *keys],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONFINED,
    }


def key_volumes(prefix: str, secrets: tuple[str, ...]) -> tuple[Json, ...]:
    """Volumes of pull Secrets. A Secret that is missing keeps the pod waiting, and the kubelet says which it is."""
    names = dict.fromkeys(secrets)
    return tuple({"name": f"{prefix}-key-{index}", "secret": {"secretName": name}} for index, name in enumerate(names))


def key_mounts(volumes: tuple[Json, ...]) -> tuple[Json, ...]:
    """Where the puller finds the Secrets."""
    return tuple(
        {"name": volume["name"], "mountPath": f"{_KEYS_PATH}/{volume['name']}", "readOnly": True} for volume in volumes
    )
