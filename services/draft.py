"""A campaign that somebody looks at or tries out before it is sent."""

from collections.abc import Sequence
from dataclasses import replace

from domain.campaign import CampaignSpec, Content
from domain.campaign_rules import apply_defaults, check_complete, check_spec
from domain.errors import InvalidRequest, NotFound, Violation
from domain.provider import Provider
from services.ports import ProviderRepository

# Stands in for the number of the campaign that it is not yet; real ones begin at 1.
NO_CAMPAIGN = 0
# A draft is told apart from no other.
_ANY_REQUEST_ID = "draft"


async def complete(
    spec: CampaignSpec, providers: ProviderRepository, violations: Sequence[Violation] = ()
) -> tuple[Provider, Content]:
    """The provider of a draft, and its content with the provider's defaults.

    What SendCampaign asks of a campaign, less its request id and its times. Raises InvalidRequest
    with all that is wrong, after it `violations`, which the caller has found; NotFound.
    """
    timeless = replace(spec, request_id=_ANY_REQUEST_ID, send_at=None, send_before=None)
    found = [*check_spec(timeless, now=0.0)]
    try:
        provider = await providers.get(spec.provider)
    except NotFound:
        # A missing name is a violation already, and then there is more to say.
        if found or violations:
            raise InvalidRequest([*found, *violations]) from None
        raise
    content = apply_defaults(spec, provider.config)
    found += check_complete(content, provider.config)
    if found or violations:
        raise InvalidRequest([*found, *violations])
    return provider, content
