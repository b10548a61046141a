"""Results of another thread reach the loop's tasks, each its own, and nobody waits in vain."""

import asyncio
import threading
from concurrent.futures import Future

import pytest

from pixmill.batch.landing import Landing


async def test_each_waiter_gets_its_own_result_or_error():
    landing, futures = Landing(), [Future() for _ in range(50)]
    waiters = [asyncio.create_task(landing.wait(future)) for future in futures]
    await asyncio.sleep(0)

    def finish():
        for number, future in reversed(list(enumerate(futures))):
            if number % 5:
                future.set_result(number)
            else:
                future.set_exception(ZeroDivisionError(number))

    thread = threading.Thread(target=finish)
    thread.start()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    thread.join()
    for number, result in enumerate(results):
        assert result == number if number % 5 else result.args == (number,)


async def test_a_future_done_before_is_a_result():
    future = Future()
    future.set_result("done")
    assert await Landing().wait(future) == "done"


async def test_a_canceled_future_cancels_its_waiter():
    landing, future = Landing(), Future()
    waiter = asyncio.create_task(landing.wait(future))
    await asyncio.sleep(0)
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_a_canceled_waiter_cancels_its_future_and_disturbs_no_other():
    landing, futures = Landing(), [Future(), Future()]
    gone, stays = (asyncio.create_task(landing.wait(future)) for future in futures)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    assert futures[0].cancelled()
    futures[1].set_result("here")
    assert await stays == "here"


async def test_a_future_that_can_not_be_canceled_any_more_lands_nowhere():
    landing, begun = Landing(), Future()
    begun.set_running_or_notify_cancel()
    waiter = asyncio.create_task(landing.wait(begun))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([waiter])
    begun.set_result("too late")
    other = Future()
    other.set_result("in time")
    assert await landing.wait(other) == "in time"


def test_a_future_that_ends_after_the_loop_is_no_error():
    future = Future()

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Landing().wait(future), 0.01)

    begun = future.set_running_or_notify_cancel()
    asyncio.run(give_up())
    future.set_result("nobody is there")
    assert begun
