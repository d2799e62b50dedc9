import subprocess
from pathlib import Path

import pytest

from controller.planning.rendering.data import DOWNLOAD

CURL = """#!/bin/sh
for last; do :; done
while [ "$1" != --output ]; do shift; done
case "$last" in *missing*) echo "curl: (22) 404" >&2; exit 22;; *empty*) : > "$2";; *) echo "$last" > "$2";; esac
"""


def download(place: Path, *urls: str) -> subprocess.CompletedProcess[str]:
    """Runs the downloader's script with a curl that writes the URL it was asked for."""
    (place / "bin").mkdir()
    (place / "bin" / "curl").write_text(CURL)
    (place / "bin" / "curl").chmod(0o755)
    (place / "target").mkdir()
    command = ["/bin/sh", "-c", DOWNLOAD, "download", str(place / "target"), *urls]
    env = {"PATH": f"{place / 'bin'}:/usr/bin:/bin"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_files_are_named_as_in_their_urls_and_none_overwrites_another(tmp_path: Path) -> None:
    urls = ["https://a.example/x/data.parquet?sig=/1", "https://b.example/data.parquet", "https://c.example/"]
    ended = download(tmp_path, *urls)
    assert ended.returncode == 0, ended.stderr
    found = {path.name: path.read_text().strip() for path in (tmp_path / "target").iterdir()}
    assert found == dict(zip(("data.parquet", "2-data.parquet", "data"), urls, strict=True))


@pytest.mark.parametrize(("url", "words"), [("https://a.example/empty", "is empty"), ("https://a.example/missing", "")])
def test_what_is_missing_or_empty_fails_and_names_no_address(tmp_path: Path, url: str, words: str) -> None:
    ended = download(tmp_path, "https://a.example/good?sig=secret", url)
    assert ended.returncode != 0
    assert words in ended.stdout
    assert "secret" not in ended.stdout + ended.stderr
