"""Work ends with the client that waits for it."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from pixmill.web.presence import while_there


def request(messages: asyncio.Queue) -> Request:
    return Request({"type": "http", "headers": []}, receive=messages.get)


async def test_work_for_a_client_that_waits_is_done_and_its_errors_are_its_own():
    waiting = request(asyncio.Queue())
    assert await while_there(waiting, asyncio.sleep(0, "done")) == "done"

    async def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await while_there(waiting, fail())


async def test_work_for_a_client_that_went_away_is_canceled_and_cleans_up():
    messages, cleaned = asyncio.Queue(), []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    messages.put_nowait({"type": "http.request", "body": b""})
    messages.put_nowait({"type": "http.disconnect"})
    with pytest.raises(ClientDisconnect):
        await while_there(request(messages), work())
    assert cleaned == [True]


async def test_who_is_canceled_cancels_the_work():
    started, ended = asyncio.Event(), []

    async def work():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(while_there(request(asyncio.Queue()), work()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
