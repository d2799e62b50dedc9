"""Opening and closing, in whatever order it comes; what a listener does in between is tested with its applications."""

import ssl

import pytest
from aiohttp import web

from controller.runtime.connections import Places
from controller.runtime.listener import Listener
from controller.runtime.options import Address

LOCAL = Address("127.0.0.1", 0)


def listener(address: Address = LOCAL) -> Listener:
    """One of an application that answers nothing."""
    runner = web.AppRunner(web.Application())
    return Listener("test", address, runner, Places(4, 2), patience=1.0, refused=lambda: None)


async def test_it_tells_the_port_it_took_and_whether_it_listens() -> None:
    made = listener()
    await made.start(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    assert made.address.port > 0
    assert (made.listening, made.connections) == (True, 0)
    await made.stop()
    assert not made.listening


async def test_a_port_that_is_taken_leaves_nothing_open() -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    first = listener()
    await first.start(tls)
    second = listener(first.address)
    with pytest.raises(OSError, match="address already in use"):
        await second.start(tls)
    assert not second.listening
    await first.stop()


async def test_one_that_never_began_can_be_stopped_and_holds_nobody_up() -> None:
    made = listener()
    await made.deserted()
    await made.stop()
    assert not made.listening
