"""Which messages share a request: neighbours only, in their order, each exactly once."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence


def plan(
    envelopes: Sequence[object],
    max_messages: int,
    max_bytes: int | None,
    size: Callable[[int, int], int],
) -> Iterator[range]:
    """The batches of the messages whose envelopes (what a whole request shares) are given.

    A batch holds at most `max_messages`, all with equal envelopes. With `max_bytes` it closes
    before its body is larger: `size(start, stop)` is the length of the body of the messages from
    `start` to before `stop`, and never shrinks as `stop` grows. A message that alone is larger
    comes as a batch of its own, for the caller to refuse.
    """
    for run in _equal_neighbours(envelopes):
        start = run.start
        while start < run.stop:
            stop = min(start + max_messages, run.stop)
            if max_bytes is not None:
                stop = _last_that_fits(start, stop, max_bytes, size)
            yield range(start, stop)
            start = stop


def _equal_neighbours(envelopes: Sequence[object]) -> Iterator[range]:
    start = 0
    while start < len(envelopes):
        first = envelopes[start]
        differing = (i for i in range(start, len(envelopes)) if envelopes[i] != first)
        stop = next(differing, len(envelopes))
        yield range(start, stop)
        start = stop


def _last_that_fits(start: int, stop: int, max_bytes: int, size: Callable[[int, int], int]) -> int:
    stops = range(start + 1, stop + 1)
    fitting = bisect_right(stops, max_bytes, key=lambda candidate: size(start, candidate))
    return start + max(fitting, 1)
