"""Previews: the requests of a campaign that is not sent."""

from collections.abc import Sequence

from entrypoints.convert.campaign import MESSAGE_STATES
from entrypoints.convert.exchange import to_http_request
from entrypoints.convert.faults import to_warnings
from espalier.v1 import campaign_pb2
from services.preview_campaign import Preview


def to_preview(preview: Preview, emails: Sequence[str]) -> campaign_pb2.PreviewCampaignResponse:
    """`emails` are the addresses of the call's recipients, as they were given."""
    return campaign_pb2.PreviewCampaignResponse(
        requests=[
            campaign_pb2.PreviewedRequest(
                request=to_http_request(made.request, preview.config),
                recipient_indexes=made.ordinals,
                emails=[emails[ordinal] for ordinal in made.ordinals],
            )
            for made in preview.requests
        ],
        rejections=[
            campaign_pb2.Rejection(
                recipient_index=refused.ordinal,
                email=emails[refused.ordinal],
                state=MESSAGE_STATES.to_proto[refused.state],
                reason=refused.reason,
                message=refused.message,
            )
            for refused in preview.rejections
        ],
        warnings=to_warnings(preview.advice),
    )
