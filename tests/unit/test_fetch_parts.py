"""The parts of the fetcher that need no network: encodings, retry times, options, turns."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import HttpError, TooManyBytes, TruncatedBody, UsageError
from pixmill.fetch.body import MAX_CHUNKS, BodyWriter, MemoryBudget
from pixmill.fetch.encoding import PIECE, inflater
from pixmill.fetch.hosts import MAX_TROUBLED_HOSTS, Gate, HostGates
from pixmill.fetch.options import FetchOptions, user_agent
from pixmill.fetch.retry import MAX_BACKOFF_S, MAX_RETRY_AFTER_S, backoff_s, retry_after_s
from pixmill.fetch.spill import SpillBudget

NOW = 1_800_000_000.0
NEVER = float("inf")


def raw_deflate(body):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


CODERS = [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]


def decode(coding, chunks):
    decoder = inflater(coding)
    pieces = [piece for chunk in chunks for piece in decoder.feed(chunk)]
    decoder.end()
    assert all(len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces)


class TestEncoding:
    @given(st.binary(max_size=2000), st.sampled_from(CODERS), st.integers(1, 50))
    def test_what_was_packed_comes_back_in_whatever_pieces_it_arrives(self, body, coder, step):
        coding, pack = coder
        packed = pack(body)
        chunks = [packed[start : start + step] for start in range(0, len(packed), step)]
        assert decode(coding, chunks) == body

    @given(st.binary(max_size=2000), st.sampled_from(CODERS), st.data())
    def test_what_is_cut_short_is_truncated(self, body, coder, data):
        coding, pack = coder
        packed = pack(body)
        # A gzip trailer or a whole deflate stream less one byte is already not its end.
        cut = packed[: data.draw(st.integers(1, len(packed) - 1))]
        with pytest.raises(TruncatedBody):
            decode(coding, [cut])

    @pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
    @pytest.mark.parametrize(("coding", "pack"), CODERS)
    def test_output_that_fills_pieces_exactly_is_whole(self, size, coding, pack):
        assert decode(coding, [pack(bytes(size))]) == bytes(size)

    def test_output_that_waits_after_all_input_is_taken_is_not_lost(self):
        """In the last byte of a raw stream a copy of up to 258 bytes and the end stand together."""
        for size in range(PIECE + 1, PIECE + 259):
            assert decode("deflate", [raw_deflate(bytes(size))]) == bytes(size)

    def test_members_follow_each_other_and_padding_is_ignored(self):
        packed = gzip.compress(b"a") + gzip.compress(b"b") + bytes(100)
        assert decode("x-gzip", [packed]) == b"ab"
        assert decode("GZIP ", [packed[:20], packed[20:]]) == b"ab"

    def test_no_bytes_at_all_are_an_empty_body(self):
        assert decode("gzip", []) == b""

    @pytest.mark.parametrize("coding", [None, "", "identity", "br", "zstd", "gzip, gzip", "utf-8"])
    def test_other_codings_are_left_alone(self, coding):
        assert inflater(coding) is None


def unbounded():
    return SpillBudget(2**40)


class TestBodyWriter:
    @given(
        st.lists(st.binary(min_size=1, max_size=20), max_size=12),
        st.integers(0, 150),
        st.integers(0, 150),
    )
    def test_chunks_become_one_body_in_memory_or_in_a_file(self, chunks, spill, memory):
        budget = MemoryBudget(memory)
        writer = BodyWriter(
            FetchOptions(spill_bytes=spill, memory_bytes=memory), budget, unbounded()
        )
        for chunk in chunks:
            writer.write(chunk)
        whole = b"".join(chunks)
        with writer.finish() as body:
            assert bytes(body.view()) == whole
            assert body.size == len(whole)
            assert (body.data is None) == (len(whole) > min(spill, memory))
            assert budget.used == (0 if body.data is None else len(whole))
        assert budget.used == 0

    @pytest.mark.parametrize("spill", [0, 5, 100])
    def test_discarding_gives_everything_back(self, spill):
        budget, files = MemoryBudget(100), SpillBudget(0)
        writer = BodyWriter(FetchOptions(spill_bytes=spill, max_bytes=20), budget, files)
        for _ in range(2):
            writer.write(b"1234567890")
        with pytest.raises(TooManyBytes):
            writer.write(b"1")
        writer.discard()
        assert budget.used == files.used == 0

    def test_a_body_in_tiny_pieces_is_not_held_as_tiny_pieces(self):
        writer = BodyWriter(FetchOptions(), MemoryBudget(10**6), unbounded())
        for number in range(5000):
            writer.write(number.to_bytes(2))
            assert len(writer._chunks) < MAX_CHUNKS
        with writer.finish() as body:
            assert body.data == b"".join(number.to_bytes(2) for number in range(5000))

    def test_a_forgotten_body_warns_and_gives_its_bytes_back(self):
        budget = MemoryBudget(100)
        writer = BodyWriter(FetchOptions(), budget, unbounded())
        writer.write(b"123")
        body = writer.finish()
        assert budget.used == 3
        with pytest.warns(ResourceWarning, match="unclosed body of 3 bytes"):
            del body
        assert budget.used == 0


class TestSpillBudget:
    """Files of 10 bytes a piece under a limit of 25."""

    def writers(self, count):
        files = SpillBudget(25)
        options = FetchOptions(spill_bytes=0)
        return files, [BodyWriter(options, MemoryBudget(0), files) for _ in range(count)]

    async def fill(self, writer, pieces):
        for _ in range(pieces):
            writer.write(bytes(10))
            await writer.wait_for_room()
        return writer.finish()

    async def test_files_past_the_limit_wait_and_one_at_a_time_grows_until_it_is_closed(self):
        files, writers = self.writers(4)
        filling = [asyncio.create_task(self.fill(writer, 5)) for writer in writers]
        for number in range(4):
            done, _ = await asyncio.wait(filling, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.005)
            assert sum(task.done() for task in filling) == 1, "a second one grew past the limit"
            assert files.used <= 25 + 50 + 10 * (3 - number)
            (task,) = done
            filling.remove(task)
            with task.result() as body:
                assert body.size == 50
        assert files.used == 0

    async def test_whoever_is_canceled_or_discarded_makes_room(self):
        files, (first, second, third) = self.writers(3)
        growing = asyncio.create_task(self.fill(first, 5))
        (await growing).view()
        waiting = asyncio.create_task(self.fill(second, 1))
        also_waiting = asyncio.create_task(self.fill(third, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        second.discard()
        assert not also_waiting.done()
        growing.result().close()
        (await also_waiting).close()
        assert files.used == 0


class TestRetryTimes:
    @given(st.integers(1, 10_000), st.integers())
    def test_backing_off_is_capped(self, failed, seed):
        assert 0 <= backoff_s(failed, random.Random(seed)) <= MAX_BACKOFF_S

    def test_backing_off_doubles(self):
        class Most(random.Random):
            def random(self):
                return 1.0

        assert [backoff_s(failed, Most()) for failed in range(1, 7)] == [0.5, 1, 2, 4, 8, 10]

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0.0),
            (" 120 ", 120.0),
            ("9" * 400, MAX_RETRY_AFTER_S),
            (formatdate(NOW + 30, usegmt=True), 30.0),
            (formatdate(NOW - 30, usegmt=True), 0.0),
            (formatdate(NOW + 1e8, usegmt=True), MAX_RETRY_AFTER_S),
            (None, None),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("\u0661", None),
            ("Fri, 99 Nov 2026 25:61:00 GMT", None),
        ],
    )
    def test_retry_after(self, value, seconds):
        assert retry_after_s(value, NOW) == seconds

    @given(st.text())
    def test_retry_after_takes_any_text(self, value):
        seconds = retry_after_s(value, NOW)
        assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S


class TestOptions:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"fetchers": 0},
            {"per_host": 0},
            {"max_bytes": 0},
            {"retries": -1},
            {"max_redirects": -1},
            {"spill_bytes": -1},
            {"memory_bytes": -1},
            {"spill_total_bytes": -1},
            {"timeout_s": 0},
            {"connect_timeout_s": -1},
            {"idle_timeout_s": float("nan")},
            {"user_agent": "a\r\nHost: b"},
            {"user_agent": "ü"},
        ],
    )
    def test_values_that_make_no_sense_are_refused(self, wrong):
        with pytest.raises(UsageError):
            FetchOptions(**wrong)

    def test_the_user_agent_names_the_program_and_whom_to_write_to(self):
        assert FetchOptions().user_agent.startswith("pixmill/")
        assert user_agent("ops@example.org").endswith(" (+ops@example.org)")


class TestGates:
    async def test_turns_are_taken_in_order(self):
        gate, order = Gate(1), []
        await gate.acquire(NEVER)

        async def wait(number):
            await gate.acquire(NEVER)
            order.append(number)
            gate.release()

        waiting = [asyncio.create_task(wait(number)) for number in range(5)]
        await asyncio.sleep(0)
        gate.release()
        await asyncio.gather(*waiting)
        assert order == [0, 1, 2, 3, 4]
        assert gate.idle

    @pytest.mark.parametrize("released_first", [True, False])
    async def test_a_canceled_wait_passes_its_turn_on(self, released_first):
        gate = Gate(1)
        await gate.acquire(NEVER)
        first, second = (asyncio.create_task(gate.acquire(NEVER)) for _ in range(2))
        await asyncio.sleep(0)
        if released_first:
            gate.release()
            first.cancel()
        else:
            first.cancel()
            gate.release()
        await second
        assert first.cancelled() or first.cancelling()
        assert gate.active == 1
        gate.release()
        assert gate.idle

    async def test_overload_halves_once_a_round_and_success_widens_again(self):
        gate = HostGates(16).get(("http", "a", 80))
        asked_at = asyncio.get_running_loop().time()
        gate.overloaded(503, asked_at, None)
        gate.overloaded(503, asked_at - 1, None)
        assert gate.limit == 8
        for _ in range(200):
            gate.overloaded(503, asyncio.get_running_loop().time() + 1, None)
        assert gate.limit == 1
        for _ in range(500):
            gate.went_well()
        assert gate.limit == 16

    async def test_only_servers_in_trouble_are_remembered_and_only_so_many(self):
        gates = HostGates(16)
        for number in range(MAX_TROUBLED_HOSTS + 10):
            well, ill = ("http", "well", number), ("http", "ill", number)
            gates.get(well)
            gates.settle(well)
            gates.get(ill).overloaded(503, NEVER, None)
            gates.settle(ill)
        assert len(gates) == MAX_TROUBLED_HOSTS
        assert gates.get(("http", "ill", number)).limit == 8
        assert gates.get(("http", "ill", 0)).limit == 16

    async def test_a_pause_opens_by_itself_and_turns_away_who_can_not_wait(self):
        gate = HostGates(16).get(("http", "a", 80))
        now = asyncio.get_running_loop().time()
        gate.overloaded(429, now, 0.02)
        with pytest.raises(HttpError) as caught:
            await gate.acquire(now + 0.01)
        assert (caught.value.http_status, caught.value.retryable) == (429, False)
        await gate.acquire(now + 60)
        assert asyncio.get_running_loop().time() >= now + 0.02
        gate.release()
        assert gate.idle

    async def test_a_longer_pause_outlasts_the_timer_of_a_shorter_one(self):
        gate = HostGates(16).get(("http", "a", 80))
        now = asyncio.get_running_loop().time()
        gate.overloaded(429, now, 0.02)
        late = asyncio.create_task(gate.acquire(now + 0.1))  # its wait sets a timer
        await asyncio.sleep(0)
        gate.overloaded(429, now, 0.2)
        with pytest.raises(HttpError):
            await late
        await gate.acquire(now + 60)
        assert asyncio.get_running_loop().time() >= now + 0.2
        gate.release()
