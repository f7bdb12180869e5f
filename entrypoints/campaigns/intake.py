"""The recipients of a campaign on their way in, a slice at a time.

Making a slice's recipients takes some milliseconds in which nothing else of the process runs.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence

from domain.campaign import Recipient
from entrypoints.campaigns.arguments import missing, refused
from entrypoints.convert.campaign import read_recipients
from espalier.v1 import campaign_pb2, common_pb2

_SLICE = 1000


async def of_one_message(
    recipients: Sequence[common_pb2.Recipient],
) -> AsyncGenerator[Sequence[Recipient], None]:
    for some in _slices(recipients):
        yield read_recipients(some)


async def first_of_stream(
    requests: AsyncIterator[campaign_pb2.SendCampaignStreamRequest],
) -> common_pb2.CampaignSpec:
    """The campaign, which the first message brings. Raises InvalidRequest."""
    first = await anext(requests, None)
    if first is None:
        raise missing("campaign", "the stream is empty; send a message with the campaign first")
    if first.WhichOneof("payload") != "campaign":
        raise missing("campaign", "send a message with the campaign before those with recipients")
    return first.campaign


async def rest_of_stream(
    requests: AsyncIterator[campaign_pb2.SendCampaignStreamRequest],
    ask_client: Callable[[], Awaitable[None]],
) -> AsyncGenerator[Sequence[Recipient], None]:
    """The recipients, which every other message brings. Raises InvalidRequest.

    gRPC ends the iteration alike when the client has closed its stream and when it is gone, and
    tells the latter a moment later, by cancellation. `ask_client`, called at the end, must write to
    the client, which only succeeds while it is there: else half a campaign could be taken for one.
    """
    async for request in requests:
        match request.WhichOneof("payload"):
            case "recipients":
                for some in _slices(request.recipients.recipients):
                    yield read_recipients(some)
            case "campaign":
                message = "comes a second time; give it in the first message of the stream only"
                raise refused("campaign", "REPEATED", message)
            case _:
                message = "is empty; give recipients in every message after the first"
                raise refused("payload", "REQUIRED", message)
    await ask_client()


def _slices(
    recipients: Sequence[common_pb2.Recipient],
) -> Iterator[Sequence[common_pb2.Recipient]]:
    for start in range(0, len(recipients), _SLICE):
        yield recipients[start : start + _SLICE]
