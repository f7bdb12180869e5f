import asyncio

from services.places import Places
from tests.support import eventually


class Taker:
    """Tasks that take a place and keep it until they are told to leave."""

    def __init__(self, places: Places, limit: int) -> None:
        self.inside: list[int] = []
        self.leave = [asyncio.Event() for _ in range(10)]
        self._places, self._limit = places, limit

    async def stay(self, name: int) -> None:
        await self._places.take(1, self._limit, most=1)
        self.inside.append(name)
        try:
            await self.leave[name].wait()
        finally:
            self.inside.remove(name)
            self._places.give_back(1, 1)


async def test_no_more_than_the_limit_are_inside_and_the_next_in_line_follows() -> None:
    taker = Taker(Places(), limit=2)
    tasks = [asyncio.create_task(taker.stay(name)) for name in range(4)]
    await eventually(lambda: taker.inside == [0, 1])
    taker.leave[1].set()
    await eventually(lambda: taker.inside == [0, 2])
    for event in taker.leave:
        event.set()
    await asyncio.gather(*tasks)
    assert taker.inside == []


async def test_one_that_is_cancelled_in_line_blocks_nobody() -> None:
    taker = Taker(Places(), limit=1)
    first, second, third = (asyncio.create_task(taker.stay(name)) for name in range(3))
    await eventually(lambda: taker.inside == [0])
    second.cancel()
    taker.leave[0].set()
    await eventually(lambda: taker.inside == [2])
    taker.leave[2].set()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert taker.inside == []


async def test_one_that_is_cancelled_as_its_turn_comes_hands_it_on() -> None:
    taker = Taker(Places(), limit=1)
    first, second, third = (asyncio.create_task(taker.stay(name)) for name in range(3))
    await eventually(lambda: taker.inside == [0])
    taker.leave[0].set()
    await first
    # Its turn was given in this very step of the loop.
    second.cancel()
    await eventually(lambda: taker.inside == [2])
    taker.leave[2].set()
    await asyncio.gather(second, third, return_exceptions=True)
    assert second.cancelled()


async def test_a_process_has_its_share_rounded_up() -> None:
    taker = Taker(Places(processes=4), limit=8)
    tasks = [asyncio.create_task(taker.stay(name)) for name in range(4)]
    await eventually(lambda: taker.inside == [0, 1])
    for event in taker.leave:
        event.set()
    await asyncio.gather(*tasks)
    few = Taker(Places(processes=4), limit=2)
    last = [asyncio.create_task(few.stay(name)) for name in range(2)]
    await eventually(lambda: few.inside == [0])
    for event in few.leave:
        event.set()
    await asyncio.gather(*last)


async def test_whoever_takes_many_gets_those_that_are_free_and_leaves_the_rest_to_the_next() -> (
    None
):
    places = Places()
    assert await places.take(1, 5, most=3) == 3
    assert await places.take(1, 5, most=3) == 2
    first = asyncio.create_task(places.take(1, 5, most=1))
    second = asyncio.create_task(places.take(1, 5, most=9))
    await asyncio.sleep(0)
    places.give_back(1, 4)
    assert [await first, await second] == [1, 3]


async def test_whoever_wants_to_be_first_goes_before_those_who_waited_longer() -> None:
    places = Places()
    await places.take(1, 1, most=1)
    others = [
        asyncio.create_task(places.take(1, 1, most=1, first=first)) for first in (False, True)
    ]
    await asyncio.sleep(0)
    places.give_back(1, 1)
    await eventually(others[1].done)
    assert not others[0].done()
    places.give_back(1, 1)
    assert await others[0] == 1


async def test_a_changed_limit_holds_for_those_who_wait_already() -> None:
    places = Places()
    assert await places.take(1, 1, most=9) == 1
    early = asyncio.create_task(places.take(1, 1, most=2))
    await asyncio.sleep(0)
    late = asyncio.create_task(places.take(1, 6, most=9))
    assert [await early, await late] == [2, 3]
    # There are six in flight, and two may be.
    last = asyncio.create_task(places.take(1, 2, most=9))
    await asyncio.sleep(0)
    places.give_back(1, 4)
    await asyncio.sleep(0)
    assert not last.done()
    places.give_back(1, 1)
    assert await last == 1
