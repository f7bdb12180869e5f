"""Which messages share a request: neighbours only, in their order, each exactly once."""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence


def in_groups(shared: Sequence[Hashable]) -> Sequence[int] | None:
    """The indexes with equals made neighbours, in the order of the first of each.

    None where they are neighbours already.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, each in enumerate(shared):
        groups.setdefault(each, []).append(index)
    order = [index for group in groups.values() for index in group]
    return None if order == sorted(order) else order


def plan(
    envelopes: Sequence[object],
    max_messages: int,
    max_bytes: int | None,
    size: Callable[[int, int], int],
    last: Callable[[int, int], int] | None = None,
) -> Iterator[range]:
    """The batches of the messages whose envelopes (what a whole request shares) are given.

    A batch holds at most `max_messages`, all with equal envelopes. `last(start, stop)`, where
    given, is how far it can go on by what is in the messages, at least one. With `max_bytes` it
    closes before its body is larger: `size(start, stop)` is the length of the body of the messages
    from `start` to before `stop`, and never shrinks as `stop` grows. A message that alone is larger
    comes as a batch of its own, for the caller to refuse.
    """
    for run in _equal_neighbours(envelopes):
        start = run.start
        while start < run.stop:
            stop = min(start + max_messages, run.stop)
            if last is not None:
                stop = last(start, stop)
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
