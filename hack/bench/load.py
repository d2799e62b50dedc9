"""A load generator in a process of its own: TLS connections that stay open, the mix of questions, every answer checked.

`python -m hack.bench.load` prints one JSON object; it is started by `hack.bench.serving`.
"""

import argparse
import asyncio
import itertools
import json
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from hack.bench.mix import Question, mix

WARM_UP_SECONDS = 2.0
LONGEST_ANSWER_SECONDS = 10.0


class Connection:
    """One kept-alive connection; as little work per request as a client can do."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int, authority: Path) -> "Connection":
        """A connection to a local webhook."""
        context = ssl.create_default_context(cafile=authority)
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context))

    async def ask(self, question: Question) -> None:
        """Sends a review and reads its answer.

        Raises:
            RuntimeError: it was not the answer that the mix expects.
        """
        self._writer.write(_request(question))
        async with asyncio.timeout(LONGEST_ANSWER_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
            body = await self._reader.readexactly(length)
        wanted = b'"allowed":true' if question.allowed else b'"allowed":false'
        if wanted not in body:
            raise RuntimeError(f"{question.name}: expected {wanted!r}, got {head!r} {body[:500]!r}")

    def close(self) -> None:
        """Hangs up."""
        self._writer.close()


async def saturate(connections: list[Connection], seconds: float) -> list[float]:
    """Durations of requests when every connection asks the next question as soon as the last is answered."""
    questions, taken = _endless(), []
    end = time.perf_counter() + seconds

    async def work(connection: Connection) -> None:
        while (begin := time.perf_counter()) < end:
            await connection.ask(next(questions))
            taken.append(time.perf_counter() - begin)

    await asyncio.gather(*(work(connection) for connection in connections))
    return taken


async def pace(connections: list[Connection], seconds: float, rate: float) -> list[float]:
    """Durations of requests that arrive at fixed times, whether or not earlier ones are answered.

    A request that finds no free connection waits, and the wait counts. How late the generator itself wakes up does not.
    """
    questions, taken = _endless(), []
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    begin = time.perf_counter()

    async def one(sent: float) -> None:
        connection = await free.get()
        await connection.ask(next(questions))
        free.put_nowait(connection)
        taken.append(time.perf_counter() - sent)

    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * rate)):
            await asyncio.sleep(begin + number / rate - time.perf_counter())
            group.create_task(one(time.perf_counter()))
    return taken


def _request(question: Question) -> bytes:
    head = f"POST {question.path} HTTP/1.1\r\nHost: kaito-webhook\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(question.body)}\r\n\r\n".encode() + question.body


def _endless() -> Iterator[Question]:
    return itertools.cycle(mix())


async def _run(arguments: argparse.Namespace) -> dict[str, object]:
    opened = [await Connection.open(arguments.port, arguments.authority) for _ in range(arguments.connections)]
    await saturate(opened, WARM_UP_SECONDS)
    begin, busy = time.perf_counter(), time.process_time()
    print(json.dumps({"phase": "measuring"}), flush=True)
    if arguments.rate:
        taken = await pace(opened, arguments.seconds, arguments.rate)
    else:
        taken = await saturate(opened, arguments.seconds)
    wall = time.perf_counter() - begin
    for connection in opened:
        connection.close()
    return {"seconds": taken, "wall": wall, "cpu": time.process_time() - busy}


def main() -> int:
    """Asks as long as it was told and prints what it measured."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.load", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second; 0 as fast as answered")
    print(json.dumps(asyncio.run(_run(parser.parse_args()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
