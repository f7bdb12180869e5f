"""PauseCampaign, ResumeCampaign, CancelCampaign and ResolveUnknownMessages."""

from collections.abc import Sequence

from domain.errors import InvalidRequest, Violation
from domain.message_id import MessageIds, MessageKind, MessageRef
from entrypoints.campaigns.arguments import (
    Faults,
    campaign_number,
    missing,
    reason_text,
    refused,
)
from entrypoints.convert.campaign import to_campaign
from espalier.v1 import campaign_pb2
from services.change_campaign import CancelCampaign, PauseCampaign, ResumeCampaign
from services.resolve_unknown import ResolveUnknown

MAX_MESSAGE_IDS = 1000
_RESEND = campaign_pb2.UNKNOWN_MESSAGE_ACTION_RESEND
_ABANDON = campaign_pb2.UNKNOWN_MESSAGE_ACTION_ABANDON


class Changing:
    """Steers campaigns that are there."""

    def __init__(
        self,
        *,
        pause: PauseCampaign,
        resume: ResumeCampaign,
        cancel: CancelCampaign,
        resolve: ResolveUnknown,
        message_ids: MessageIds,
    ) -> None:
        self._pause = pause
        self._resume = resume
        self._cancel = cancel
        self._resolve = resolve
        self._message_ids = message_ids

    async def pause(
        self, request: campaign_pb2.PauseCampaignRequest
    ) -> campaign_pb2.PauseCampaignResponse:
        number, reason = _which_and_why(request)
        campaign = await self._pause(number, reason=reason)
        return campaign_pb2.PauseCampaignResponse(campaign=to_campaign(campaign))

    async def resume(
        self, request: campaign_pb2.ResumeCampaignRequest
    ) -> campaign_pb2.ResumeCampaignResponse:
        campaign = await self._resume(campaign_number(request.campaign_id))
        return campaign_pb2.ResumeCampaignResponse(campaign=to_campaign(campaign))

    async def cancel(
        self, request: campaign_pb2.CancelCampaignRequest
    ) -> campaign_pb2.CancelCampaignResponse:
        number, reason = _which_and_why(request)
        campaign = await self._cancel(number, reason=reason)
        return campaign_pb2.CancelCampaignResponse(campaign=to_campaign(campaign))

    async def resolve(
        self, request: campaign_pb2.ResolveUnknownMessagesRequest
    ) -> campaign_pb2.ResolveUnknownMessagesResponse:
        faults = Faults()
        number = faults.read(lambda: campaign_number(request.campaign_id), 0)
        resend = faults.read(lambda: _is_resend(request.action), False)
        ordinals = faults.read(lambda: self._ordinals(number, request.message_ids), ())
        faults.raise_if_any()
        resolved = await self._resolve(number, resend=resend, ordinals=ordinals or None)
        return campaign_pb2.ResolveUnknownMessagesResponse(
            resolved_count=resolved.resolved,
            skipped_count=resolved.skipped,
            campaign=to_campaign(resolved.campaign),
        )

    def _ordinals(self, number: int, message_ids: Sequence[str]) -> Sequence[int]:
        if len(message_ids) > MAX_MESSAGE_IDS:
            message = f"are more than {MAX_MESSAGE_IDS:,}; give the others in further calls"
            raise refused("message_ids", "TOO_MANY", message)
        ordinals, faults = [], []
        for i, message_id in enumerate(message_ids):
            ref = self._message_ids.read(message_id)
            if ref is not None and _is_of(number, ref):
                ordinals.append(ref.ordinal)
            else:
                faults.append(_foreign(i))
        if faults:
            raise InvalidRequest(faults)
        return ordinals


def _is_of(number: int, ref: MessageRef) -> bool:
    """Where the campaign itself is missing (0), any will do: one fault is told once."""
    return ref.kind is MessageKind.CAMPAIGN and number in (0, ref.number)


def _foreign(index: int) -> Violation:
    message = "is no message of this campaign; give message_id as ListMessages shows it"
    return Violation(field=f"message_ids[{index}]", reason="OF_ANOTHER_CAMPAIGN", message=message)


def _is_resend(action: int) -> bool:
    if action not in (_RESEND, _ABANDON):
        raise missing("action", "choose RESEND or ABANDON")
    return action == _RESEND


def _which_and_why(
    request: campaign_pb2.PauseCampaignRequest | campaign_pb2.CancelCampaignRequest,
) -> tuple[int, str]:
    faults = Faults()
    number = faults.read(lambda: campaign_number(request.campaign_id), 0)
    reason = faults.read(lambda: reason_text(request.reason), "")
    faults.raise_if_any()
    return number, reason
