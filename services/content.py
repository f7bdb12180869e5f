"""A campaign's content as it is sent: checked, with the provider's defaults."""

from collections.abc import Iterable
from dataclasses import replace

from domain.campaign import CampaignSpec, Content
from domain.campaign_rules import apply_defaults, check_complete, check_spec
from domain.errors import NotFound, Violation
from domain.provider import Provider
from services.ports import ProviderRepository
from services.refusals import Faults

# Stands in for the number of a campaign that somebody only looks at; real ones begin at 1.
NO_CAMPAIGN = 0
# A draft is told apart from no other.
_ANY_REQUEST_ID = "draft"


def check_draft(spec: CampaignSpec) -> list[Violation]:
    """What SendCampaign asks of a campaign, less its request id and its times."""
    timeless = replace(spec, request_id=_ANY_REQUEST_ID, send_at=None, send_before=None)
    return check_spec(timeless, now=0.0)


async def complete(
    spec: CampaignSpec, providers: ProviderRepository, violations: Iterable[Violation]
) -> tuple[Provider, Content]:
    """The provider, and the content with its defaults.

    Raises InvalidRequest with all that is wrong: `violations`, which the caller has found, and what
    is missing; NotFound for the provider where nothing else is wrong.
    """
    faults = Faults()
    faults.add(violations)
    try:
        provider = await providers.get(spec.provider)
    except NotFound:
        # A missing name is a violation already, and then there is more to say.
        faults.raise_if_any()
        raise
    content = apply_defaults(spec, provider.config)
    faults.add(check_complete(content, provider.config))
    faults.raise_if_any()
    return provider, content
