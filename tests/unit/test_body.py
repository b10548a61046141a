"""Bodies as they arrive: encodings undone, and kept in memory or in files within their budgets."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import TooManyBytes, TruncatedBody
from pixmill.fetch.body import MAX_CHUNKS, BodyWriter, MemoryBudget
from pixmill.fetch.encoding import PIECE, inflater
from pixmill.fetch.options import FetchOptions
from pixmill.fetch.spill import SpillBudget


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
