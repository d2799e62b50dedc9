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
skopeo inspect --format '{{range .Layers}}{{println .}}{{end}}' "dir:$work/image" > "$work/layers"
while read -r layer; do
  if [ -z "$layer" ]; then continue; fi
  blob="$work/image/${layer#*:}"
  tar -tf "$blob" > "$work/all"
  while read -r entry; do
    name="${entry##*/}"; folder="$work/root/${entry%"$name"}"
    case "/$entry" in */../*) continue ;; esac
    case "${entry#./}" in .wh.data|data/*) ;; *) continue ;; esac
    case "$name" in
      '') ;;
      .wh..wh..opq) rm -rf "$folder" ;;
      .wh.*) rm -rf "$folder${name#.wh.}" ;;
      *) printf '%s\\n' "$entry" ;;
    esac
  done < "$work/all" > "$work/files"
  if [ -s "$work/files" ]; then tar -xf "$blob" -C "$work/root" --no-same-owner -T "$work/files"; fi
  chmod -R u+rwX,go+rX "$work/root"
  find "$work/root" -type l -delete
done < "$work/layers"
if [ ! -d "$work/root/data" ]; then echo "image $image holds no folder /data"; exit 1; fi
cp -R "$work/root/data/." "$target/"
rm -rf "$work"
"""
"""Fetches an image with the first Secret that opens its registry, else with none, and copies what its layers leave of
the folder /data. An image is data of strangers: nothing else of it is unpacked, and no link in it is followed or kept.
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
        "command": ["/bin/sh", "-c", PULL, "pull", name, _untagged(image), target],
        "volumeMounts": [{"name": SCRATCH["name"], "mountPath": _SCRATCH_PATH}, mount, *keys],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONFINED,
    }


def _untagged(image: str) -> str:
    """The reference as skopeo reads it: beside a digest it takes no tag, which says nothing more there."""
    name, at, digest = image.partition("@")
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}@{digest}" if at else image


def key_volumes(prefix: str, secrets: tuple[str, ...]) -> tuple[Json, ...]:
    """Volumes of pull Secrets. A Secret that is missing keeps the pod waiting, and the kubelet says which it is."""
    names = dict.fromkeys(secrets)
    return tuple({"name": f"{prefix}-key-{index}", "secret": {"secretName": name}} for index, name in enumerate(names))


def key_mounts(volumes: tuple[Json, ...]) -> tuple[Json, ...]:
    """Where the puller finds the Secrets."""
    return tuple(
        {"name": volume["name"], "mountPath": f"{_KEYS_PATH}/{volume['name']}", "readOnly": True} for volume in volumes
    )
