"""When the end of a job is told again, and when never."""

from __future__ import annotations

from random import Random

import pytest

from pixmill.errors import BlockedAddress, ConnectFailed, DnsFailed, InvalidUrl, TlsFailed
from pixmill.jobs.webhooks import (
    JITTER,
    MAX_ATTEMPTS,
    Verdict,
    verdict_on_answer,
    verdict_on_failure,
)

RNG = Random(1)
NEVER = Verdict(delivered=False)
DAY_S = 86_400


def again_s(attempts, asked_s=None, status=503):
    return verdict_on_answer(status, asked_s, attempts, RNG).again_s


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_any_2xx(status):
    assert verdict_on_answer(status, 60, 1, RNG) == Verdict(delivered=True)


def test_gone_is_the_last_word():
    assert verdict_on_answer(410, 60, 1, RNG) == NEVER


@pytest.mark.parametrize("status", [100, 301, 304, 307, 400, 401, 404, 429, 500, 503, 599])
def test_any_other_answer_is_asked_for_again(status):
    assert again_s(1, status=status) > 0


def test_waits_grow_and_the_last_attempt_is_about_a_day_after_the_first():
    waits = [again_s(attempts) for attempts in range(1, MAX_ATTEMPTS)]
    assert waits == sorted(waits)
    assert (1 - JITTER) * 0.9 < sum(waits) / DAY_S < (1 + JITTER) * 1.1
    assert again_s(MAX_ATTEMPTS) is None
    assert again_s(MAX_ATTEMPTS, 60) is None


def test_waits_differ_so_that_those_who_failed_together_do_not_come_back_together():
    assert len({again_s(3) for _ in range(10)}) == 10


def test_a_receivers_wish_lengthens_a_wait_up_to_a_day_and_shortens_none():
    assert again_s(1, 3600) == 3600
    assert again_s(1, 10**9) == DAY_S
    assert again_s(1, 0) > 10


@pytest.mark.parametrize("error", [BlockedAddress("no"), InvalidUrl("no")])
def test_what_may_never_be_asked_is_given_up(error):
    assert verdict_on_failure(error, 1, RNG) == NEVER


@pytest.mark.parametrize(
    "error", [ConnectFailed("no"), TlsFailed("no"), DnsFailed("no", retryable=False)]
)
def test_what_can_be_mended_is_tried_again_until_the_last_attempt(error):
    assert verdict_on_failure(error, 1, RNG).again_s
    assert verdict_on_failure(error, MAX_ATTEMPTS, RNG) == NEVER
