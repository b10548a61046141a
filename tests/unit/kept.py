"""A result to keep and a clock that stands still; for the tests of the cache."""

from pixmill.analysis import Wanted, pack
from pixmill.batch.cache import Result
from pixmill.record import Analysis, Color

NOW = 1_800_000_000.0
URL = "http://a/1.jpg"
WANTED = Wanted(n=1)
ENOUGH = 2**30  # bytes, more than any of these caches takes
VALIDATED = {"etag": '"v1"', "last-modified": "Mon, 04 Jan 2027 10:00:00 GMT"}


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


def kept(count=4, n=1):
    color = Color((1, 2, 3), "#010203", count, 1.0)
    packed = pack(Analysis((color,) * n, count, 2, 2, "png", 70, "0" * 32))
    return Result(packed, 200, 1)
