import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

from controller.planning.rendering.results import NOT_PUSHED, PUSH, TRAIN

ORAS = """#!/bin/sh
echo "$*" >> "$LOG"
[ ! -e "$LOG.refuse" ]
"""


def train(place: Path, *command: str, seconds: int = 1) -> int:
    """Runs the training container's script; its exit code."""
    script = ["/bin/sh", "-c", TRAIN, "train", str(place), str(seconds), *command]
    return subprocess.run(script, check=False, capture_output=True).returncode


def test_a_training_container_ends_with_the_program_it_runs(tmp_path: Path) -> None:
    assert train(tmp_path, "/bin/sh", "-c", "exit 3") == 3
    assert train(tmp_path, "/bin/sh", "-c", f"exit {NOT_PUSHED}") == 1, "that code is kept for the push"
    assert not (tmp_path / "trained").exists(), "nothing is pushed of a run that failed"


def test_a_training_container_ends_well_once_its_result_is_pushed(tmp_path: Path) -> None:
    (tmp_path / "pushed").touch()
    assert train(tmp_path, "true") == 0
    assert (tmp_path / "trained").exists()


def test_a_result_that_is_not_pushed_in_time_is_a_failure_of_its_own(tmp_path: Path) -> None:
    assert train(tmp_path, "true", seconds=0) == NOT_PUSHED


def push(place: Path) -> subprocess.Popen[bytes]:
    """Starts the pusher's script for a run that has ended, with an oras that takes whatever it is given."""
    for name in ("bin", "handover", "results"):
        (place / name).mkdir(exist_ok=True)
    (place / "bin" / "oras").write_text(ORAS)
    (place / "bin" / "oras").chmod(0o755)
    (place / "handover" / "trained").touch()
    for name in ("adapter_config.json", "adapter_model.safetensors", "optimizer.pt"):
        (place / "results" / name).write_text(name)
    # What is pushed is looked at before it is thrown away.
    script = PUSH.replace("  rm -rf layer layer.tar layer.tar.gz\n", "")
    folders = [str(place / "handover"), str(place / "results")]
    command = ["/bin/sh", "-c", script, "push", *folders, "registry.example.com/out:1", "phi-3", "amd64"]
    return subprocess.Popen(command, env={"PATH": f"{place / 'bin'}:/usr/bin:/bin", "LOG": str(place / "log")})


def until_pushed(process: subprocess.Popen[bytes], place: Path) -> None:
    while not (place / "handover" / "pushed").exists():
        assert process.poll() is None, "the pusher ended before it had pushed"


def test_the_adapter_is_pushed_as_an_image_with_a_data_folder_and_the_pusher_goes_when_told(tmp_path: Path) -> None:
    process = push(tmp_path)
    until_pushed(process, tmp_path)
    process.terminate()
    assert process.wait() == 0
    handover = tmp_path / "handover"
    with tarfile.open(handover / "layer.tar.gz") as layer:
        files = {Path(name).name for name in layer.getnames() if Path(name).parts[0] == "data"} - {"data"}
    assert files == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((handover / "config.json").read_text())
    digest = hashlib.sha256((handover / "layer.tar").read_bytes()).hexdigest()
    assert (config["architecture"], config["rootfs"]["diff_ids"]) == ("amd64", [f"sha256:{digest}"])
    assert "sh.kaito.model.name=phi-3 registry.example.com/out:1" in (tmp_path / "log").read_text()


def test_a_push_that_fails_ends_the_pusher_and_the_next_one_tries_again(tmp_path: Path) -> None:
    (tmp_path / "log.refuse").touch()
    assert push(tmp_path).wait() != 0
    (tmp_path / "log.refuse").unlink()
    process = push(tmp_path)
    until_pushed(process, tmp_path)
    process.terminate()
    assert process.wait() == 0
