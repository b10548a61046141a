"""What is asked for by many at once is done once, and nobody is forgotten."""

import asyncio
import contextlib
import gc

from pixmill.batch.once import Once


def once_of(size):
    """Remembers answers as they are."""
    return Once(size, keep=lambda answer: answer)


class Work:
    """Counts how often it is done, and goes on only when told."""

    def __init__(self, *, answer: object = "answer") -> None:
        self.begun = 0
        self.go_on = asyncio.Event()
        self.answer = answer

    async def __call__(self):
        self.begun += 1
        await self.go_on.wait()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


async def _let_all_run():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_who_ask_meanwhile_get_the_one_answer():
    once, work = once_of(4), Work()
    askers = [asyncio.create_task(once.get("key", work)) for _ in range(20)]
    await _let_all_run()
    work.go_on.set()
    assert await asyncio.gather(*askers) == ["answer"] * 20
    assert await once.get("key", work) == "answer"
    assert work.begun == 1


async def test_other_keys_are_other_questions():
    once = once_of(4)
    first, second = Work(answer=1), Work(answer=2)
    first.go_on.set()
    second.go_on.set()
    assert await once.get("a", first) == 1
    assert await once.get("b", second) == 2


async def test_an_exception_reaches_all_who_wait_and_is_not_remembered():
    once, work = once_of(4), Work(answer=ZeroDivisionError("broken"))
    askers = [asyncio.create_task(once.get("key", work)) for _ in range(3)]
    await _let_all_run()
    work.go_on.set()
    answers = await asyncio.gather(*askers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ZeroDivisionError] * 3
    assert work.begun == 1
    work.answer = "mended"
    assert await once.get("key", work) == "mended"


async def test_an_exception_that_nobody_else_waits_for_is_no_forgotten_one():
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    once, work = once_of(4), Work(answer=ZeroDivisionError("broken"))
    work.go_on.set()
    with contextlib.suppress(ZeroDivisionError):
        await once.get("key", work)
    del once, work
    gc.collect()
    assert told == []  # asyncio tells of exceptions that were never retrieved


async def test_when_the_first_asker_is_canceled_one_who_waits_does_it():
    once, work = once_of(4), Work()
    askers = [asyncio.create_task(once.get("key", work)) for _ in range(5)]
    await _let_all_run()
    askers[0].cancel()
    await _let_all_run()
    assert work.begun == 2, "exactly one of those who waited went to work"
    work.go_on.set()
    assert await asyncio.gather(*askers[1:]) == ["answer"] * 4
    assert askers[0].cancelled()


async def test_canceling_one_who_waits_disturbs_nobody():
    once, work = once_of(4), Work()
    askers = [asyncio.create_task(once.get("key", work)) for _ in range(3)]
    await _let_all_run()
    askers[1].cancel()
    await _let_all_run()
    work.go_on.set()
    assert await askers[0] == await askers[2] == "answer"
    assert askers[1].cancelled()
    assert work.begun == 1


async def test_only_the_last_answers_are_remembered():
    once = once_of(2)
    made = []

    async def make(key):
        made.append(key)
        return key

    for key in ("a", "b", "a", "c", "a", "b"):  # c pushes b out: a was asked for since
        assert await once.get(key, lambda key=key: make(key)) == key
    assert made == ["a", "b", "c", "b"]


async def test_without_a_size_nothing_is_remembered_but_those_who_wait_get_the_answer():
    once, work, other = once_of(0), Work(), Work(answer="other")
    askers = [asyncio.create_task(once.get("key", work)) for _ in range(3)]
    others = [asyncio.create_task(once.get("another", other)) for _ in range(3)]
    await _let_all_run()
    work.go_on.set()
    other.go_on.set()
    assert await asyncio.gather(*askers, *others) == ["answer"] * 3 + ["other"] * 3
    assert work.begun == other.begun == 1
    assert await once.get("key", work) == "answer"
    assert work.begun == 2


async def test_a_key_pushed_out_while_at_work_still_answers_those_who_wait():
    once, slow, quick = once_of(1), Work(answer="slow"), Work(answer="quick")
    quick.go_on.set()
    askers = [asyncio.create_task(once.get("slow", slow)) for _ in range(2)]
    await _let_all_run()
    assert await once.get("quick", quick) == "quick"
    slow.go_on.set()
    assert await asyncio.gather(*askers) == ["slow", "slow"]


async def test_the_first_gets_the_answer_itself_and_others_what_is_kept_of_it():
    once, work = Once(4, keep=str.upper), Work(answer="answer")
    askers = [asyncio.create_task(once.get("key", work)) for _ in range(3)]
    await _let_all_run()
    work.go_on.set()
    assert await asyncio.gather(*askers) == ["answer", "ANSWER", "ANSWER"]
    assert await once.get("key", work) == "ANSWER"
