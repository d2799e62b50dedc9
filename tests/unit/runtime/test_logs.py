"""What a log line carries, in both formats."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from controller.runtime import logs

log = logs.get_logger("tests.logs")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    chatty = {name: logging.getLogger(name).level for name in logs.CHATTY_LOGGERS}
    yield
    root.handlers[:], root.level = before
    for name, level in chatty.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=False)


def captured(format: str = "json", level: str = "info") -> io.StringIO:  # noqa: A002
    stream = io.StringIO()
    logs.configure(format, level, stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_logger_message_and_fields() -> None:
    stream = captured()
    with logs.bind(controller="workspaces", key="default/phi-3"):
        log.warning("waiting for %d nodes", 2, extra=logs.fields(claim="ws1"))
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "warning",
        "logger": "tests.logs",
        "msg": "waiting for 2 nodes",
        "controller": "workspaces",
        "key": "default/phi-3",
        "claim": "ws1",
    }


def test_bound_fields_end_with_their_block_and_nest() -> None:
    stream = captured()
    with logs.bind(a=1):
        with logs.bind(b=2, a=3):
            log.info("inner")
        log.info("outer")
    log.info("outside")
    assert [(line.get("a"), line.get("b")) for line in lines(stream)] == [(3, 2), (1, None), (None, None)]


async def test_each_task_has_fields_of_its_own() -> None:
    stream = captured()

    async def work(key: str) -> None:
        with logs.bind(key=key):
            await asyncio.sleep(0)
            log.info("at work")

    await asyncio.gather(work("a"), work("b"))
    assert sorted(line["key"] for line in lines(stream)) == ["a", "b"]


def test_fields_never_overwrite_the_fixed_ones() -> None:
    stream = captured()
    log.info("message", extra=logs.fields(msg="field", level="field"))
    (line,) = lines(stream)
    assert (line["msg"], line["msg_"], line["level"], line["level_"]) == ("message", "field", "info", "field")


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[31mred", '{"a": "b"}', "größe ✓"])
def test_every_json_record_is_one_line_whatever_the_text(text: str) -> None:
    stream = captured()
    log.info(text, extra=logs.fields(value=text, odd=object))
    (line,) = lines(stream)
    assert (line["msg"], line["value"]) == (text, text)


def test_a_traceback_is_a_field_in_json_and_follows_the_line_on_the_console() -> None:
    for format in logs.FORMATS:  # noqa: A001
        stream = captured(format)
        try:
            raise KeyError("pool")
        except KeyError:
            log.exception("failed")
        assert "KeyError: 'pool'" in stream.getvalue()
        if format == "json":
            assert "Traceback" in lines(stream)[0]["exception"]


def test_a_console_line_reads_well() -> None:
    stream = captured("console")
    log.info("created\npool", extra=logs.fields(pool="ws1", reason="two words"))
    text = stream.getvalue()
    assert re.fullmatch(
        r'\d\d:\d\d:\d\d\.\d{3} INFO    tests\.logs: created\\npool pool=ws1 reason="two words"\n', text
    ), text


def test_libraries_that_log_every_request_are_held_at_warning() -> None:
    stream = captured(level="debug")
    for name in ("azure.core.pipeline.policies.http_logging_policy", "aiohttp.access"):
        logging.getLogger(name).info("Authorization: secret")
        logging.getLogger(name).warning("trouble")
    log.debug("our own")
    assert [line["msg"] for line in lines(stream)] == ["trouble", "trouble", "our own"]


def test_configuring_again_replaces_the_handler() -> None:
    captured()
    stream = captured()
    log.info("once")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize(("format", "level"), [("xml", "info"), ("json", "loud")])
def test_unknown_formats_and_levels_are_refused(format: str, level: str) -> None:  # noqa: A002
    with pytest.raises(ValueError, match="is none of"):
        logs.configure(format, level)
