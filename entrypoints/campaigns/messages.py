"""ListMessages and GetMessage."""

from domain.address import address_key
from domain.message_id import MessageIds
from entrypoints.campaigns.arguments import Faults, campaign_number, last_seen, missing, refused
from entrypoints.convert.campaign import MESSAGE_STATES, to_messages
from entrypoints.convert.timeline import to_timeline
from entrypoints.paging import Paging
from espalier.v1 import campaign_pb2
from services.ports import CampaignRepository, MessageRow
from services.read_message import History, ReadMessage

PAGING = Paging(listing="messages", default=100, most=1000)
# Each looks at up to 256,000 recipients for those that were asked for.
_MAX_READS = 8


class Messages:
    """Shows what became of the messages of a campaign."""

    def __init__(
        self, *, campaigns: CampaignRepository, read: ReadMessage, message_ids: MessageIds
    ) -> None:
        self._campaigns = campaigns
        self._read = read
        self._message_ids = message_ids

    async def list(
        self, request: campaign_pb2.ListMessagesRequest
    ) -> campaign_pb2.ListMessagesResponse:
        faults = Faults()
        number = faults.read(lambda: campaign_number(request.campaign_id), 0)
        states = faults.read(lambda: MESSAGE_STATES.read_all(request.states, "states"), ())
        size = faults.read(lambda: PAGING.size(request.page_size), 0)
        seen = faults.read(lambda: last_seen(PAGING, request.page_token), None)
        faults.raise_if_any()
        page: list[MessageRow] = []
        after: int | None = -1 if seen is None else seen
        for _ in range(_MAX_READS):
            if after is None or len(page) == size:
                break
            rows, after = await self._campaigns.messages(
                number,
                after=after,
                limit=size - len(page),
                states=states,
                email_key=address_key(request.email),
            )
            page += rows
        return campaign_pb2.ListMessagesResponse(
            messages=to_messages(number, page, self._message_ids),
            next_page_token="" if after is None else PAGING.token(str(after)),
        )

    async def get(self, request: campaign_pb2.GetMessageRequest) -> campaign_pb2.GetMessageResponse:
        history = await self._history(request)
        (message,) = to_messages(history.campaign.number, [history.message], self._message_ids)
        message.esp_message_id = history.esp_message_id
        return campaign_pb2.GetMessageResponse(message=message, timeline=to_timeline(history))

    async def _history(self, request: campaign_pb2.GetMessageRequest) -> History:
        if request.message_id:
            if request.campaign_id or request.email:
                message = "is given besides campaign_id or email; give it alone, or the other two"
                raise refused("message_id", "CONFLICTING_FIELDS", message)
            return await self._read.by_id(request.message_id)
        if not request.campaign_id and not request.email:
            raise missing("message_id", "give it, or campaign_id and email together")
        faults = Faults()
        number = faults.read(lambda: campaign_number(request.campaign_id), 0)
        email = faults.read(lambda: _email(request), "")
        faults.raise_if_any()
        return await self._read.by_address(number, email)


def _email(request: campaign_pb2.GetMessageRequest) -> str:
    if not request.email:
        raise missing("email", "give the address of the recipient besides the campaign")
    return request.email
