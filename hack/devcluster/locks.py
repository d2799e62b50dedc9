"""Locks between processes, released by the kernel when the holder dies."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

_POLL_SECONDS = 0.2


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold a file's lock within the block if it is free; gives whether it is held."""
    with path.open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@asynccontextmanager
async def file_lock(path: Path, waiting: str) -> AsyncIterator[None]:
    """Hold a file's lock within the block, waiting for it without end; `waiting` is printed once while doing so."""
    told = False
    while True:
        with try_lock(path) as held:
            if held:
                yield
                return
        if not told:
            print(waiting, flush=True)
            told = True
        await asyncio.sleep(_POLL_SECONDS)
