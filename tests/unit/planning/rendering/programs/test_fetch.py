"""The program that fetches data, run against servers that behave and servers that do not."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from controller.planning.rendering.programs import FETCH
from controller.planning.rendering.programs.fetch import TRIES, judge, main
from controller.planning.urls import address_policy, url_problem
from hack.devcluster.pki import Leaf, issue, new_authority

ANYWHERE = json.dumps({"special": [], "holders": []})
ELSEWHERE = json.dumps({"special": [["127.0.0.2/32", "a private network"]], "holders": []})
POLICY = json.loads(address_policy())
BODY = bytes(range(256)) * 40


class Handler(BaseHTTPRequestHandler):
    """Answers by path; what it was asked is kept by the server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.path, self.headers.get("Range", "")))
        what, _, rest = self.path.removeprefix("/").partition("?")[0].partition("/")
        if what == "to":
            self._answer(302, b"", {"Location": server.targets[rest]})
        elif what == "packed":
            self._answer(200, BODY, {"Content-Encoding": rest})
        elif what == "cut":
            self._cut()
        elif what == "sips":
            self._sip()
        elif what == "over" and len(server.asked) == 1:
            self._answer(200, BODY, {"ETag": '"1"'}, len(BODY) + 1)
        elif what == "over" and self.headers.get("Range"):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(BODY)}"})
        elif what == "busy" and len(server.asked) < 3:
            self._answer(503, b"")
        else:
            status, body = {"missing": (404, b"gone"), "empty": (200, b""), "down": (503, b"")}.get(what, (200, BODY))
            self._answer(status, body)

    def _cut(self) -> None:
        """Half of it, then the end; the rest to who asks for the rest."""
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        fields = {"ETag": '"1"', "Content-Range": f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}"}
        if begin:
            self._answer(206, BODY[begin:], fields)
        else:
            self._answer(200, BODY[: len(BODY) // 2], {"ETag": '"1"'}, len(BODY))

    def _sip(self) -> None:
        """A quarter of it at a time, and never more than that, whatever is asked for."""
        begin, step = int(self.headers.get("Range", "bytes=0-")[6:-1]), len(BODY) // 4
        end = min(begin + step, len(BODY))
        if begin:
            place = f"bytes {begin}-{end - 1}/{len(BODY)}"
            self._answer(206, BODY[begin:end], {"ETag": '"1"', "Content-Range": place})
        else:
            self._answer(200, BODY[:step], {"ETag": '"1"'}, len(BODY))

    def _answer(
        self, status: int, body: bytes, fields: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """A server of this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        self.targets: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetch(place: Path, *urls: str, policy: str = ANYWHERE) -> int:
    pairs = [word for number, url in enumerate(urls) for word in (f"file-{number}", url)]
    return main([str(place), policy, *pairs], pause=0)


def files(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


def test_each_address_becomes_a_file(server: Server, tmp_path: Path) -> None:
    server.targets["far"] = "/good?sig=2"
    assert fetch(tmp_path, f"{server.url}/good?sig=1", f"{server.url}/to/far") == 0
    assert files(tmp_path) == {"file-0": BODY, "file-1": BODY}
    assert [path for path, _ in server.asked] == ["/good?sig=1", "/to/far", "/good?sig=2"]


def test_it_runs_as_the_pod_runs_it(server: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FETCH, str(tmp_path), ANYWHERE, "a.csv", f"{server.url}/good"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "url 1: a.csv is there\n"), ended.stderr
    assert files(tmp_path) == {"a.csv": BODY}


def test_what_breaks_off_is_continued(server: Server, tmp_path: Path) -> None:
    assert fetch(tmp_path, f"{server.url}/cut") == 0
    assert files(tmp_path) == {"file-0": BODY}
    assert [wish for _, wish in server.asked] == ["", f"bytes={len(BODY) // 2}-"]


def test_a_part_of_the_rest_is_not_taken_for_all_of_it(server: Server, tmp_path: Path) -> None:
    assert fetch(tmp_path, f"{server.url}/sips") == 0
    assert files(tmp_path) == {"file-0": BODY}
    assert len(server.asked) == 4


def test_where_there_is_no_rest_it_begins_anew(server: Server, tmp_path: Path) -> None:
    assert fetch(tmp_path, f"{server.url}/over") == 0
    assert files(tmp_path) == {"file-0": BODY}
    assert [wish for _, wish in server.asked] == ["", f"bytes={len(BODY)}-", ""]


def test_an_address_a_server_leads_to_may_hold_blanks_and_letters_of_all_alphabets(
    server: Server, tmp_path: Path
) -> None:
    server.targets["odd"] = "/good/my größe 100%25.csv?name=a b&sig=%2F".encode().decode("latin-1")
    assert fetch(tmp_path, f"{server.url}/to/odd") == 0
    assert server.asked[-1][0] == "/good/my%20gr%C3%B6%C3%9Fe%20100%25.csv?name=a%20b&sig=%2F"


def test_data_that_come_packed_unasked_are_no_data(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(tmp_path, f"{server.url}/packed/identity") == 0
    assert fetch(tmp_path, f"{server.url}/packed/gzip") == 1
    assert "sends its data encoded as 'gzip', which was not asked for" in capsys.readouterr().out
    assert len(server.asked) == 2, "asking again changes nothing"


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    assert fetch(tmp_path, f"{server.url}/busy") == 0
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("what", "words", "times"),
    [("missing", "answers 404 Not Found", 1), ("empty", "sends nothing", 1), ("down", "503", TRIES)],
)
def test_what_is_not_to_be_had_fails_and_no_secret_is_told(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, words: str, times: int
) -> None:
    assert fetch(tmp_path, f"{server.url}/{what}?sig=secret") == 1
    told = capsys.readouterr().out
    assert words in told
    assert "secret" not in told
    assert len(server.asked) == times
    assert "file-0" not in files(tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433"])
def test_a_host_that_turns_out_to_be_inside_is_never_spoken_to(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    assert fetch(tmp_path, f"http://{host}:{server.server_address[1]}/good", policy=address_policy()) == 1
    assert "belongs to this machine" in capsys.readouterr().out
    assert server.asked == []


@pytest.mark.parametrize("target", ["http://127.0.0.2:1/good", "//127.0.0.2:1/good", "file:///etc/passwd"])
def test_a_redirect_does_not_lead_inside(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    server.targets["inside"] = target
    assert fetch(tmp_path, f"{server.url}/to/inside", policy=ELSEWHERE) == 1
    told = capsys.readouterr().out
    assert "belongs to a private network" in told or "leads from http to something else" in told
    assert len(server.asked) == 1


@pytest.fixture
def secure(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server under TLS; gives the certificate of the authority it is known by."""
    folder = tmp_path_factory.mktemp("tls")
    authority = new_authority("authority")
    for name, content in zip(
        ("crt", "key"), issue(authority, Leaf("tests", names=("127.0.0.1",), server=True)), strict=True
    ):
        (folder / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    (folder / "ca").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    return folder / "ca"


def test_a_host_proves_who_it_is(
    server: Server, secure: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = server.url.replace("http:", "https:")
    assert fetch(tmp_path, f"{url}/good") == 1
    assert "127.0.0.1 has no valid certificate" in capsys.readouterr().out
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    server.targets["plain"] = f"{server.url}/good"
    assert fetch(tmp_path, f"{url}/good") == 0
    assert files(tmp_path)["file-0"] == BODY
    assert fetch(tmp_path, f"{url}/to/plain") == 1, "what was asked for under TLS does not come without"
    assert "leads from https to something else" in capsys.readouterr().out


def test_redirects_end(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.targets["round"] = "/to/round"
    assert fetch(tmp_path, f"{server.url}/to/round") == 1
    assert "more than 5 redirects" in capsys.readouterr().out


@given(st.ip_addresses())
def test_an_address_is_judged_as_at_admission(address: object) -> None:
    text = f"[{address}]" if ":" in str(address) else str(address)
    assert (judge(str(address), POLICY) is None) == (url_problem(f"https://{text}/x", "url") is None)
