"""The result of a training run: written to the user's volume, or pushed as an image by a sidecar.

The sidecar is an init container that keeps running, so it never keeps the pod from ending. The training container
itself waits for the push, for a limited time, and ends with its outcome: a result that is not where it was asked for
is a failed run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controller.api.json import Json
from controller.api.workspace import DataDestination
from controller.planning.rendering.images import PUSHER
from controller.planning.rendering.parts import CONFINED, literal
from controller.planning.target import Training

NOT_PUSHED: Final = 42
"""Exit code of a training container whose result could not be pushed."""

PUSH_SECONDS: Final = 3600
"""How long a push is tried, in seconds."""

_RESULTS: Final = "results"
_HANDOVER: Final = "handover"
_HANDOVER_PATH: Final = "/handover"
_KEY: Final = "push-key"
_KEY_PATH: Final = "/keys"

TRAIN: Final = """handover="$1"; seconds="$2"; shift 2
"$@" || { code=$?; [ "$code" -ne 42 ] || code=1; exit "$code"; }
touch "$handover/trained"
while [ ! -e "$handover/pushed" ]; do
  if [ "$seconds" -le 0 ]; then echo "the result could not be pushed in time, see container push-result"; exit 42; fi
  sleep 1; seconds=$((seconds - 1))
done
"""
"""Runs a command, then waits until its result is pushed."""

PUSH: Final = """set -eu
trap 'exit 0' TERM
handover="$1"; results="$2"; image="$3"; model="$4"; arch="$5"
until [ -e "$handover/trained" ]; do sleep 1 & wait $!; done
if [ ! -e "$handover/pushed" ]; then
  cd "$handover"
  rm -rf layer; mkdir -p layer/data
  cp "$results"/adapter_config.json "$results"/adapter_model.* layer/data/
  tar -cf layer.tar -C layer data
  diff="$(sha256sum layer.tar | cut -d ' ' -f 1)"
  gzip -c < layer.tar > layer.tar.gz
  printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \\
    "$arch" "$diff" > config.json
  oras push --registry-config /keys/.dockerconfigjson --config config.json:application/vnd.oci.image.config.v1+json \\
    --annotation "sh.kaito.model.name=$model" "$image" layer.tar.gz:application/vnd.oci.image.layer.v1.tar+gzip
  rm -rf layer layer.tar layer.tar.gz
  touch pushed
fi
while :; do sleep 1 & wait $!; done
"""
"""Waits for the result and pushes it as an image whose one layer holds `/data`, as adapters are served from. Where the
push fails it ends, is started again after a pause that grows, and tries again."""


@dataclass(frozen=True, slots=True)
class Results:
    """What the way out adds to a pod.

    Attributes:
        mounts: volume mounts of the training container.
        volumes: volumes of the pod.
        sidecars: the container that pushes; none where the result stays in a volume.
    """

    mounts: tuple[Json, ...]
    volumes: tuple[Json, ...]
    sidecars: tuple[Json, ...] = ()

    def wrap(self, command: Sequence[str]) -> list[str]:
        """The command of the training container."""
        if not self.sidecars:
            return list(command)
        return ["/bin/sh", "-c", TRAIN, "train", _HANDOVER_PATH, str(PUSH_SECONDS), *command]


def render_results(destination: DataDestination | None, work: Training) -> Results:
    """What the destination of the result adds to the pod."""
    results = {"name": _RESULTS, "mountPath": work.output_dir}
    if destination is not None and destination.volume is not None:
        return Results((results,), ({**destination.volume, "name": _RESULTS},))
    wish = destination or DataDestination()
    handover = {"name": _HANDOVER, "mountPath": _HANDOVER_PATH}
    volumes = (
        {"name": _RESULTS, "emptyDir": {}},
        {"name": _HANDOVER, "emptyDir": {}},
        {"name": _KEY, "secret": {"secretName": wish.image_push_secret}},
    )
    pusher = {
        "name": "push-result",
        "image": PUSHER,
        "restartPolicy": "Always",
        "command": [
            *("/bin/sh", "-c", PUSH, "push", _HANDOVER_PATH),
            *(literal(work.output_dir), wish.image, work.preset.name, work.arch),
        ],
        "volumeMounts": [
            {**results, "readOnly": True},
            handover,
            {"name": _KEY, "mountPath": _KEY_PATH, "readOnly": True},
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONFINED,
    }
    return Results((results, handover), volumes, (pusher,))
