"""What ESPs call our messages, in SQL."""

from collections.abc import Iterable, Sequence
from functools import partial

from sqlalchemy import Connection, and_, bindparam, select

from adapters.sql import schema
from adapters.sql.database import Database
from adapters.sql.prepared import Prepared
from adapters.sql.rows import insert_rows
from domain.address import address_key
from domain.message_id import MessageKind, MessageRef
from services.ports import MAX_ESP_MESSAGE_ID, EspMessage

_rows = schema.esp_messages
_COLUMNS = (
    *("provider_id", "esp_message_id", "message_kind"),
    *("number", "ordinal", "email_key", "stored_at"),
)


def add_esp_messages(
    connection: Connection, said: Iterable[tuple[int, EspMessage]], *, now: float
) -> None:
    """Within the transaction that settles these messages; each comes with its provider's id."""
    rows = [
        (
            *(provider_id, each.esp_message_id, int(each.message.kind), each.message.number),
            *(each.message.ordinal, address_key(each.email), now),
        )
        for provider_id, each in said
        if len(each.esp_message_id) <= MAX_ESP_MESSAGE_ID
    ]
    insert_rows(connection, _rows, _COLUMNS, rows, pass_repeats=True)


_CALLED_SO = and_(
    _rows.c.provider_id == bindparam("this_provider"),
    _rows.c.esp_message_id == bindparam("this_id"),
)
_REF = (_rows.c.message_kind, _rows.c.number, _rows.c.ordinal)
# Two tell as well as a thousand that the address has to decide.
_SOME = Prepared(select(*_REF).where(_CALLED_SO).limit(2))
_OF_ADDRESS = Prepared(
    select(*_REF).where(_CALLED_SO, _rows.c.email_key == bindparam("this_key")).limit(2)
)
_ID_OF = Prepared(
    select(_rows.c.esp_message_id)
    .where(
        _rows.c.message_kind == bindparam("this_kind"),
        _rows.c.number == bindparam("this_number"),
        _rows.c.ordinal == bindparam("this_ordinal"),
    )
    .order_by(_rows.c.stored_at.desc(), _rows.c.esp_message_id)
    .limit(1)
)


class SqlEspMessages:
    """EspMessages over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, provider_id: int, messages: Sequence[EspMessage]) -> None:
        """See the port."""
        said = [(provider_id, each) for each in messages]
        now = self._database.clock.now()
        await self._database.write(partial(add_esp_messages, said=said, now=now))

    async def find(self, provider_id: int, esp_message_id: str, email: str) -> MessageRef | None:
        """See the port."""
        this = {"this_provider": provider_id, "this_id": esp_message_id}
        return await self._database.read(partial(_find, this=this, key=address_key(email)))

    async def id_of(self, message: MessageRef) -> str:
        """See the port."""
        this = {
            "this_kind": int(message.kind),
            "this_number": message.number,
            "this_ordinal": message.ordinal,
        }
        found = await self._database.read(
            lambda connection: _ID_OF.execute(connection, this).scalar_one_or_none()
        )
        return found or ""


def _find(connection: Connection, this: dict[str, object], key: str) -> MessageRef | None:
    found = _SOME.execute(connection, this).all()
    if len(found) > 1:
        found = _OF_ADDRESS.execute(connection, {**this, "this_key": key}).all()
    if len(found) != 1:
        return None
    row = found[0]
    return MessageRef(MessageKind(row.message_kind), row.number, row.ordinal)
