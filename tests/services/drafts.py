"""What previews and test emails are tried with: a provider, a campaign, ports in memory."""

from dataclasses import replace
from typing import Any

from domain.campaign import CampaignSpec, Content
from domain.message_id import MessageIds
from domain.provider import Batch, Provider, ProviderConfig
from domain.suppression import Suppression, SuppressionReason
from tests.domain.provider_samples import BASIC, POST, header
from tests.fakes.clock import FakeClock
from tests.fakes.provider_repository import FakeProviderRepository
from tests.fakes.store import Store
from tests.fakes.suppression_repository import FakeSuppressionRepository

IDS = MessageIds(b"k" * 32)
SECRET = "k3y-of-the-esp"
CONFIG = replace(
    POST,
    parameters="""{"msgs": [{
      "to": "$$To", "subject": "$$Subject", "name": "$$FromName", "from": "$$FromAddress",
      "html": "$$HTML", "mid": "$$MessageID", "cc": "$$cc", "bcc": "$$bcc",
      "campaign": "$$CampaignID"
    }]}""",
    batch=Batch(max_messages=2),
    basic=BASIC,
    headers=(header("X-Key", SECRET, secret=True),),
)
SPEC = CampaignSpec(
    request_id="",
    provider="acme",
    content=Content(
        subject="Hello $$name", from_name="Shop", from_address="shop@example.com", html="<p>Hi</p>"
    ),
)


def spec(**changes: Any) -> CampaignSpec:
    """The campaign with other contents."""
    return replace(SPEC, content=replace(SPEC.content, **changes))


class World:
    """A store with one provider."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store(self.clock)
        self.providers = FakeProviderRepository(self.store)
        self.suppressions = FakeSuppressionRepository(self.store)

    async def configure(self, config: ProviderConfig = CONFIG) -> Provider:
        provider, _ = await self.providers.configure("acme", lambda _: config)
        return provider

    async def suppress(self, *keys: str) -> None:
        await self.suppressions.add(
            [
                Suppression(
                    email=key, key=key, reason=SuppressionReason.HARD_BOUNCE, created_at=1.0
                )
                for key in keys
            ]
        )
