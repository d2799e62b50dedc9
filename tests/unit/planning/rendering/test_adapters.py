import subprocess
import sys
from pathlib import Path

import pytest

from controller.api.json import Json
from controller.planning.rendering import pulling
from tests.unit.planning.builders import V100
from tests.unit.planning.rendering.kit import A100, manifest, pod, rendered, server

IMAGE = {"source": {"name": "poet", "image": "registry.example.com/poet:1", "imagePullSecrets": ["key"]}}
DIGEST = f"sha256:{'ab' * 32}"
VOLUME = {"source": {"name": "clerk", "volumeSource": {"persistentVolumeClaim": {"claimName": "clerk"}}}}


def adapted(*adapters: Json, sku: str = V100) -> Json:
    preset = {"name": "phi-3-mini-128k-instruct"}
    return manifest(sku, inference={"preset": preset, "adapters": list(adapters)})


def test_an_image_is_unpacked_where_the_servers_look_for_adapters() -> None:
    found = pod(rendered(adapted(IMAGE)))
    (puller,) = found["initContainers"]
    assert puller["command"][-2:] == ["registry.example.com/poet:1", "/mnt/adapter/poet"]
    assert {"name": "adapters", "mountPath": "/mnt/adapter"} in puller["volumeMounts"]
    assert {"name": "adapters", "mountPath": "/mnt/adapter"} in found["containers"][0]["volumeMounts"]
    assert {"name": "adapter-0-key-0", "secret": {"secretName": "key"}} in found["volumes"]


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        (f"registry.example.com:5000/a/poet:1@{DIGEST}", f"registry.example.com:5000/a/poet@{DIGEST}"),
        (f"registry.example.com:5000/a/poet@{DIGEST}", f"registry.example.com:5000/a/poet@{DIGEST}"),
        ("registry.example.com:5000/a/poet:1", "registry.example.com:5000/a/poet:1"),
        (f"poet:1@{DIGEST}", f"poet@{DIGEST}"),
    ],
    ids=["both", "digest", "tag", "short"],
)
def test_beside_a_digest_skopeo_is_told_no_tag(image: str, asked: str) -> None:
    (puller,) = pod(rendered(adapted({"source": {**IMAGE["source"], "image": image}})))["initContainers"]
    assert puller["command"][-2] == asked


def test_a_volume_is_mounted_read_only_and_needs_no_init_container() -> None:
    found = pod(rendered(adapted(VOLUME)))
    assert "initContainers" not in found
    assert {"name": "adapter-0", "persistentVolumeClaim": {"claimName": "clerk"}} in found["volumes"]
    mount = {"name": "adapter-0", "mountPath": "/mnt/adapter/clerk", "readOnly": True}
    assert mount in found["containers"][0]["volumeMounts"]


def test_volumes_of_the_pod_have_names_of_their_own() -> None:
    names = [volume["name"] for volume in pod(rendered(adapted(IMAGE, VOLUME)))["volumes"]]
    assert len(names) == len(set(names))


def test_a_strength_reaches_transformers_though_the_adapters_name_is_none_of_a_pods_variable() -> None:
    digit = {"source": {**IMAGE["source"], "name": "1-tone.v2"}, "strength": "0.25"}
    found = server(rendered(adapted(digit, {**VOLUME, "strength": "0.5"})))
    assert [each["name"] for each in found["env"] if each["name"][0].isdigit()] == [], "refused before Kubernetes 1.32"
    assert {"name": "clerk", "value": "0.5"} in found["env"]
    start = found["command"].index("accelerate")
    read = [sys.executable, "-c", "import os; print(os.environ['1-tone.v2'])"]
    assert subprocess.run([*found["command"][:start], *read], check=True, capture_output=True).stdout == b"0.25\n"
    plain = server(rendered(adapted({**VOLUME, "strength": "0.5"})))["command"]
    assert plain == found["command"][start:], "what needs no help is started as ever"


def test_the_strength_reaches_transformers_by_the_adapters_name() -> None:
    found = server(rendered(adapted({**IMAGE, "strength": "0.5"})))
    assert {"name": "poet", "value": "0.5"} in found["env"]
    assert "env" not in server(rendered(adapted(IMAGE))), "without a word the program's own default holds"


def test_vllm_is_told_to_serve_as_many_adapters_as_there_are() -> None:
    found = server(rendered(adapted(IMAGE, VOLUME, sku=A100)))
    assert "--enable-lora" in found["command"]
    assert "--max-loras=2" in found["command"]


def test_a_changed_adapter_changes_the_pod() -> None:
    newer = {"source": {**IMAGE["source"], "image": "registry.example.com/poet:2"}}
    assert rendered(adapted(IMAGE)).workload["spec"] != rendered(adapted(newer)).workload["spec"]


SKOPEO = """#!/bin/sh
echo "$*" >> "$LOG"
case "$1" in
copy)
  for last; do :; done
  case "$*" in *"$REFUSED"*) exit 1;; esac
  mkdir -p "${last#dir:}" && cp "$LAYERS"/* "${last#dir:}/";;
inspect) for layer in "$LAYERS"/*; do echo "sha256:$(basename "$layer")"; done;;
esac
"""


def pull(
    place: Path, layers: dict[str, dict[str, str]], refused: str = "no such word", links: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the puller's script with a skopeo that hands out layers made of the given files, the first with links."""
    for name in ("bin", "layers", "files", "keys", "scratch", "target"):
        (place / name).mkdir()
    (place / "bin" / "skopeo").write_text(SKOPEO)
    (place / "bin" / "skopeo").chmod(0o755)
    for layer, files in layers.items():
        folder = place / "files" / layer
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        for path, target in (links or {}).items() if layer == "1" else ():
            (folder / path).symlink_to(target)
        subprocess.run(["tar", "-cf", str(place / "layers" / layer), "-C", str(folder), "."], check=True)
    (place / "keys" / "one").mkdir()
    (place / "keys" / "one" / ".dockerconfigjson").write_text("{}")
    script = pulling.PULL.replace("/scratch/", f"{place}/scratch/").replace("/keys/", f"{place}/keys/")
    path = f"{place / 'bin'}:/usr/bin:/bin"
    env = {"PATH": path, "LOG": str(place / "log"), "LAYERS": str(place / "layers"), "REFUSED": refused}
    command = ["/bin/sh", "-c", script, "pull", "p", "registry.example.com/poet:1", str(place / "target")]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_later_layers_overwrite_earlier_ones(tmp_path: Path) -> None:
    layers = {"1": {"data/adapter_config.json": "old", "data/extra": "x"}, "2": {"data/adapter_config.json": "new"}}
    ended = pull(tmp_path, layers)
    assert ended.returncode == 0, ended.stderr
    target = tmp_path / "target"
    assert {path.name: path.read_text() for path in target.iterdir()} == {"adapter_config.json": "new", "extra": "x"}
    assert list((tmp_path / "scratch").iterdir()) == [], "the layers are not kept"


def test_what_a_later_layer_deletes_is_gone(tmp_path: Path) -> None:
    old = {"data/a": "x", "data/b": "x", "data/old/c": "x", "data/kept/d": "x"}
    new = {"data/.wh.a": "", "data/old/.wh..wh..opq": "", "data/old/e": "new"}
    assert pull(tmp_path, {"1": old, "2": new}).returncode == 0
    target = tmp_path / "target"
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert found == {"b", "old/e", "kept/d"}


def test_only_the_data_are_unpacked_and_no_link_leads_out(tmp_path: Path) -> None:
    """A layer of a malicious image writes through a link that an earlier one has left."""
    victim = tmp_path / "victim"
    victim.mkdir()
    layers = {"1": {"data/a": "x", "usr/bin/sh": "evil"}, "2": {"data/link/b": "evil"}}
    ended = pull(tmp_path, layers, links={"data/link": str(victim), "data/secret": "/etc/passwd", "etc": "/etc"})
    assert ended.returncode == 0, ended.stderr
    assert list(victim.iterdir()) == []
    target = tmp_path / "target"
    assert {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()} == {"a", "link/b"}


def test_names_may_hold_blanks_and_any_letters(tmp_path: Path) -> None:
    assert pull(tmp_path, {"1": {"data/odd name é\\n": "x"}}).returncode == 0
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["odd name é\\n"]


def test_a_secret_that_does_not_fit_is_followed_by_a_try_without(tmp_path: Path) -> None:
    ended = pull(tmp_path, {"1": {"data/a": "x"}}, refused="--src-authfile")
    assert ended.returncode == 0, ended.stderr
    assert "--src-no-creds" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("layers", "refused", "words"),
    [({"1": {"other/a": "x"}}, "nothing", "holds no folder /data"), ({"1": {"data/a": "x"}}, "docker://", "")],
)
def test_what_cannot_be_fetched_or_holds_no_data_fails(
    tmp_path: Path, layers: dict[str, dict[str, str]], refused: str, words: str
) -> None:
    ended = pull(tmp_path, layers, refused)
    assert ended.returncode != 0
    assert words in ended.stdout
