"""Amazon SNS asks whether its messages are wanted before it sends any."""

from collections.abc import Sequence

from domain import sns
from domain.errors import TryLater
from domain.http import HttpRequest, TransportError
from domain.webhook_mapping import Signature, SignatureScheme
from domain.webhook_request import WebhookRequest
from services.ports import Transport

# SNS waits 15 s for its answer.
_CONFIRM_SECONDS = 10.0


class ConfirmSubscription:
    """Confirms a subscription to a topic that the provider allows, by asking the URL given.

    To be called for a request whose signatures hold, and for none else.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def __call__(self, signatures: Sequence[Signature], request: WebhookRequest) -> bool:
        """Whether the request was about a subscription, and so has no events; it is done with.

        Raises TryLater where the URL is not answered with 2xx: SNS then asks again.
        """
        allowed = next((one for one in signatures if one.scheme is SignatureScheme.SNS), None)
        message = None if allowed is None else sns.read_message(request.body)
        if allowed is None or message is None or message["Type"] == sns.NOTIFICATION:
            return False
        # The other type says that somebody ended the subscription: nothing follows from it here.
        if message["Type"] == sns.SUBSCRIPTION and message.get("TopicArn") in allowed.topics:
            url = message.get("SubscribeURL")
            if sns.is_allowed_url(url, allowed.certificate_hosts):
                await self._confirm(str(url))
        return True

    async def _confirm(self, url: str) -> None:
        request = HttpRequest(method="GET", url=url)
        try:
            answer = await self._transport.send(request, timeout_seconds=_CONFIRM_SECONDS)
        except TransportError as error:
            raise _not_confirmed(error.reason) from error
        if not 200 <= answer.status < 300:
            raise _not_confirmed(f"it answers {answer.status}")


def _not_confirmed(why: str) -> TryLater:
    return TryLater(f"SNS's subscription cannot be confirmed: {why}")
