"""Takes in what an ESP reports about our messages."""

from typing import Any

from domain.callback import (
    UNKNOWN_META,
    Attributed,
    Unprocessed,
    attribute,
    callback_answer,
    parse_callback,
)
from domain.message_id import MessageIds
from domain.provider import Provider
from services.ports import Clock, EventLog


class RecordCallback:
    """Parses a callback, finds its messages, stores it and says what to answer."""

    def __init__(self, log: EventLog, message_ids: MessageIds, clock: Clock) -> None:
        self._log = log
        self._read_meta = message_ids.read
        self._clock = clock

    async def __call__(self, provider: Provider, body: bytes) -> dict[str, Any]:
        """The answer of a 200, given only after the events are durable.

        Raises BadCallback and TryLater; then nothing of the request is stored.
        """
        events = parse_callback(body)
        now = self._clock.now()
        ours: list[Attributed] = []
        unprocessed: list[Unprocessed] = []
        for event in events:
            found = attribute(event, self._read_meta, received_at=now)
            if isinstance(found, Attributed):
                ours.append(found)
            else:
                unprocessed.append(found)
        foreign = await self._log.record_callbacks(provider, ours, unprocessed, received_at=now)
        unprocessed += [Unprocessed(event=item.event, reason=UNKNOWN_META) for item in foreign]
        return callback_answer(len(events), unprocessed)
