"""Structured logs: one JSON object per line for machines, one readable line for people.

Fields come from two places and look the same in the output: those bound to the running task (`bind`, so that every
line of a reconcile carries its controller and key) and those of a single line (`extra=fields(pool="ws1")`).
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, TextIO

FORMATS: Final = ("json", "console")
LEVELS: Final = ("debug", "info", "warning", "error")
CHATTY_LOGGERS: Final = ("aiohttp.access", "asyncio", "azure", "kubernetes", "urllib3")
"""Libraries that log every request at INFO, headers included; held at WARNING whatever our own level is."""

_bound: ContextVar[Mapping[str, Any]] = ContextVar("log_fields", default=MappingProxyType({}))


def get_logger(name: str) -> logging.Logger:
    """The standard library's logger of that name."""
    return logging.getLogger(name)


def fields(**values: Any) -> dict[str, Any]:
    """Structured fields of one line: `log.info("pool created", extra=fields(pool="ws1"))`."""
    return {"fields": values}


@contextmanager
def bind(**values: Any) -> Iterator[None]:
    """Adds fields to every line logged inside the block, by this task and by tasks started in it."""
    token = _bound.set({**_bound.get(), **values})
    try:
        yield
    finally:
        _bound.reset(token)


def configure(format: str, level: str, stream: TextIO | None = None) -> None:  # noqa: A002 - the flag's own word
    """Sends all logging to `stream` (standard error by default) in the chosen format; replaces earlier handlers.

    Raises:
        ValueError: a format or level not listed in FORMATS and LEVELS.
    """
    if format not in FORMATS or level not in LEVELS:
        raise ValueError(f"log format {format!r} or level {level!r} is none of {FORMATS} and {LEVELS}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The record's structured fields, the line's own winning over bound ones of the same name."""
    own = getattr(record, "fields", None)
    return {**_bound.get(), **(own if isinstance(own, Mapping) else {})}


def timestamp(record: logging.LogRecord) -> str:
    """When the record was made: RFC 3339, UTC, milliseconds."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ts, level, logger, msg, then the fields, then the traceback as `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a field that clashes with a fixed name gets a trailing underscore."""
        line: dict[str, Any] = {
            "ts": timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        for key, value in fields_of(record).items():
            line[f"{key}_" if key in line else key] = value
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class ConsoleFormatter(logging.Formatter):
    """Time, level, logger, message and `key=value` fields; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text for a terminal; line breaks inside the message are shown, not printed."""
        message = record.getMessage().replace("\n", "\\n")
        pairs = "".join(f" {key}={_shown(value)}" for key, value in fields_of(record).items())
        line = f"{timestamp(record)[11:-1]} {record.levelname:<7} {record.name}: {message}{pairs}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _shown(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and text and " " not in text else json.dumps(text, ensure_ascii=False)
