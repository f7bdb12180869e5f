"""A stretch of the log that is to be folded, with all that can be known of it beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, Select, select

from adapters.sql import recipients_codec, schema
from domain.address import address_key
from domain.callback import SUPPRESSES, CallbackType
from domain.chunk import CHUNK_SIZE
from domain.events import EntryKind
from domain.message_id import MessageKind
from domain.suppression import Suppression, SuppressionReason

_events, _installation, _providers = schema.events, schema.installation, schema.providers
_CALLBACK, _CAMPAIGN = EntryKind.CALLBACK.value, int(MessageKind.CAMPAIGN)
_TYPES = {kind.value: kind for kind in CallbackType}
# About 80 KB each. Callbacks come roughly in the order in which messages were sent.
_CHUNKS_KEPT = 256


class Callback(NamedTuple):
    """What an ESP said of one message of a campaign; a tuple, as there are very many."""

    number: int
    ordinal: int
    type: CallbackType
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The entries behind position `after`, up to and with `until`; none where both are the same."""

    after: int
    until: int
    callbacks: Sequence[Callback]
    suppressions: Sequence[Suppression]


class Emails:
    """The addresses of recipients, by the chunk; those that were read last are kept."""

    def __init__(self) -> None:
        self._chunks: dict[tuple[int, int], Sequence[str]] = {}
        self._copies: dict[int, frozenset[str]] = {}

    def of(self, connection: Connection, number: int, ordinal: int) -> str:
        chunk_number, place = divmod(ordinal, CHUNK_SIZE)
        key = (number, chunk_number)
        if key not in self._chunks:
            _make_room(self._chunks)
            self._chunks[key] = _emails(connection, *key)
        return self._chunks[key][place]

    def copies(self, connection: Connection, number: int) -> frozenset[str]:
        """The keys of the cc and bcc addresses of a campaign."""
        if number not in self._copies:
            _make_room(self._copies)
            self._copies[number] = _copies(connection, number)
        return self._copies[number]


def read_stretch(connection: Connection, *, limit: int, emails: Emails, now: float) -> Stretch:
    """Up to `limit` entries that are not folded."""
    head = connection.execute(select(_installation)).one()
    found: Select[Any] = (
        select(
            *(_events.c.position, _events.c.kind, _events.c.message_kind, _events.c.number),
            *(_events.c.ordinal, _events.c.callback_type, _events.c.email),
            *(_events.c.description, _providers.c.nickname),
        )
        .join(_providers, _providers.c.id == _events.c.provider_id)
        .where(_events.c.position > head.folded_position)
        .order_by(_events.c.position)
        .limit(limit)
    )
    rows = connection.execute(found).all()
    # Those of test emails move nothing.
    ours = [row for row in rows if row[1] == _CALLBACK and row[2] == _CAMPAIGN]
    callbacks = [
        Callback(number, ordinal, _TYPES[type_], description or "")
        for _, _, _, number, ordinal, type_, _, description, _ in ours
    ]
    suppressions = [
        _suppression(connection, row, reason, emails, now)
        for row, callback in zip(ours, callbacks, strict=True)
        if (reason := SUPPRESSES[callback.type]) is not None
    ]
    return Stretch(
        after=head.folded_position,
        until=rows[-1].position if rows else head.folded_position,
        callbacks=callbacks,
        suppressions=suppressions,
    )


def _suppression(
    connection: Connection, row: Row[Any], reason: SuppressionReason, emails: Emails, now: float
) -> Suppression:
    """Of the person whom the ESP speaks of: one who got a copy, else the message's recipient."""
    is_copy = address_key(row.email) in emails.copies(connection, row.number)
    email = row.email if is_copy else emails.of(connection, row.number, row.ordinal)
    return Suppression(
        email=email,
        key=address_key(email),
        reason=reason,
        detail=row.description or row.callback_type,
        event_position=row.position,
        campaign_number=row.number,
        ordinal=row.ordinal,
        provider=row.nickname,
        created_at=now,
    )


def _emails(connection: Connection, number: int, chunk_number: int) -> Sequence[str]:
    recipients = schema.recipients.c
    found = select(recipients.body).where(
        recipients.campaign_number == number, recipients.chunk_number == chunk_number
    )
    return recipients_codec.decode_emails(connection.execute(found).scalar_one())


def _copies(connection: Connection, number: int) -> frozenset[str]:
    found = select(schema.campaigns.c.envelope).where(schema.campaigns.c.number == number)
    envelope = orjson.loads(connection.execute(found).scalar_one())
    return frozenset(address_key(email) for email in (*envelope["cc"], *envelope["bcc"]))


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _CHUNKS_KEPT:
        del kept[next(iter(kept))]
