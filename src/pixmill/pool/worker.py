"""The worker process: takes orders, calls the function, answers.

Owns what happens inside the worker, up to the pickled answer. Leaves starting, limits of time and
the verdict on deaths to the parent. Anything may happen to this process at any moment.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from pixmill.errors import InternalError, ItemError, OutOfMemory, RunError
from pixmill.pool.memory import Allowance
from pixmill.pool.wire import ORDER_BYTES, Frame, Kind, Order

Function = Callable[[memoryview, Any], Any]


class Inbox(NamedTuple):
    """Where orders come from, where answers go, and the descriptor of the two slots."""

    orders: socket.socket
    answers: int
    slots: int
    slot_bytes: int


def open_inbox(descriptors: list[int], slot_bytes: int) -> Inbox:
    """Make an inbox of the three descriptors that the parent sent: orders, answers, slots."""
    orders, answers, slots = descriptors
    return Inbox(socket.socket(fileno=orders), answers, slots, slot_bytes)


def serve(inbox: Inbox, function: Function) -> None:
    """Work on orders until the parent is gone or this process should not go on.

    That an item ran out of memory is only said by a worker that had done nothing before, so that
    the verdict never depends on what earlier items left behind; any other hands the item back and
    ends.
    """
    allowance = Allowance()
    Frame(Kind.READY, os.getpid()).write(inbox.answers)
    fresh = True
    while received := _receive(inbox.orders):
        order, descriptor = received
        allowance.set(order.grant_bytes)
        frame, healthy = None, False
        if fresh or allowance.fits(order.need_bytes):
            frame, healthy = _work(function, inbox, order, descriptor)
        if frame is None:
            frame = _out_of_memory(order) if fresh else Frame(Kind.HANDED_BACK, order.number)
        frame.write(inbox.answers)
        if not healthy or (order.big and not allowance.settle()):
            Frame(Kind.RETIRING).write(inbox.answers)
            return
        fresh = False


def _receive(orders: socket.socket) -> tuple[Order, int | None] | None:
    try:
        message, descriptors, _, _ = socket.recv_fds(orders, ORDER_BYTES, 1)
    except ConnectionResetError:
        return None
    if not message:
        return None
    return Order.unpack(message), descriptors[0] if descriptors else None


def _work(
    function: Function, inbox: Inbox, order: Order, descriptor: int | None
) -> tuple[Frame | None, bool]:
    """Return the answer, None where memory ran out, and whether this process may go on.

    Slots are mapped anew for every item: so what the function kept of the payload shows when the
    mapping is closed, and can not quietly turn into the bytes of another item.
    """
    try:
        body, argument = _open(inbox, order, descriptor)
    except (OSError, ValueError) as error:
        return _failure(order.number, _internal(error)), True
    view = memoryview(body)[: order.payload_bytes]
    frame = _call(function, view, argument, order.number)
    with contextlib.suppress(BufferError):
        view.release()
    del view
    return frame, frame is not None and _closed(body)


def _open(inbox: Inbox, order: Order, descriptor: int | None) -> tuple[mmap.mmap | bytes, bytes]:
    in_slot = order.payload_bytes if descriptor is None else 0
    length, offset = in_slot + order.argument_bytes, order.slot * inbox.slot_bytes
    slot = mmap.mmap(inbox.slots, length, prot=mmap.PROT_READ, offset=offset)
    argument = slot[in_slot:]
    if descriptor is None:
        return slot, argument
    slot.close()
    try:
        return _map_file(descriptor, order.payload_bytes), argument
    finally:
        os.close(descriptor)


def _map_file(descriptor: int, size: int) -> mmap.mmap | bytes:
    return mmap.mmap(descriptor, size, prot=mmap.PROT_READ) if size else b""


def _closed(body: mmap.mmap | bytes) -> bool:
    """Close the mapping; False if the function kept hold of it (an array in some cache)."""
    for _ in range(2):
        try:
            if isinstance(body, mmap.mmap):
                body.close()
        except BufferError:
            gc.collect()
        else:
            return True
    return False


def _call(function: Function, view: memoryview, argument: bytes, number: int) -> Frame | None:
    try:
        result = function(view, pickle.loads(argument))  # noqa: S301 - from our own parent
        return Frame(Kind.RESULT, number, body=pickle.dumps(result, pickle.HIGHEST_PROTOCOL))
    except (ItemError, RunError) as error:
        return _failure(number, error)
    except MemoryError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs this item only
        return _failure(number, _internal(error))


def _failure(number: int, error: ItemError | RunError) -> Frame:
    if error.__cause__ is not None:  # pickling drops the cause
        error.add_note(f"caused by {type(error.__cause__).__name__}: {error.__cause__}")
    try:
        body = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 - pickling calls code of the error's fields
        body = pickle.dumps(_internal(error), pickle.HIGHEST_PROTOCOL)
    return Frame(Kind.FAILURE, number, body=body)


def _internal(error: Exception) -> InternalError:
    """Make a picklable error of any other, with its traceback as a note."""
    internal = InternalError(f"{type(error).__name__}: {error}")
    internal.add_note("in the worker:\n" + "".join(traceback.format_exception(error)))
    return internal


def _out_of_memory(order: Order) -> Frame:
    return _failure(order.number, OutOfMemory("the decoder asked for more memory than it may have"))
