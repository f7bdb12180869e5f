"""What one round of the chaos run does."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from entrypoints.simulated_esp import Behaviour, Faults, Span
from espalier.v1 import common_pb2, provider_pb2

# Of all requests, at most one each. After a 429 nobody waits: a second for each would leave little
# time to be killed in.
_OFTEN: Mapping[str, Any] = {
    "throttle": 0.02,
    "retry_after": 0,
    "server_errors": 0.02,
    "lose_answers": 0.02,
    "drop": 0.01,
}
# Seconds that the ESP takes for one message, and for a batch: long enough to be killed in.
_DELAY, _BATCH_DELAY = Span(low=0.005, high=0.05), Span(low=0.1, high=0.8)
# Of all messages, what the first campaign has: it is to have several chunks.
_FIRST = 0.25
_CAMPAIGNS_PER_SECOND = 4

_MESSAGE = (
    '{"to": "$$To", "mid": "$$MessageID", "name": "$$FromName", "from": "$$FromAddress",'
    ' "subject": "$$Subject", "html": "$$HTML"}'
)


class Mode(StrEnum):
    """A campaign's guarantee, and whether the ESP honours the Idempotency-Key."""

    AT_MOST_ONCE = "at-most-once"
    AT_LEAST_ONCE = "at-least-once"
    IDEMPOTENT = "idempotent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`batch` is messages per request; kills come for `seconds`, and stop.

    `patience_seconds` is how long after the last kill every campaign may take to end. It bounds
    a failure and measures nothing.
    """

    mode: Mode
    batch: int
    messages: int
    seconds: float
    seed: int
    max_in_flight: int = 24
    patience_seconds: float = 180.0

    @property
    def name(self) -> str:
        per_request = "unbatched" if self.batch == 1 else f"batched by {self.batch}"
        return f"{self.mode}, {per_request}"

    @property
    def at_most_once(self) -> bool:
        return self.mode is Mode.AT_MOST_ONCE

    def chance(self, what_for: str) -> random.Random:
        """Draws of its own for each purpose, so that none moves those of another."""
        return random.Random(f"{self.seed} {self.name} {what_for}")

    def sizes(self) -> list[int]:
        """Recipients of each campaign: a large one, then small ones, some of a single message."""
        first = max(1, int(self.messages * _FIRST))
        left = self.messages - first
        mean = max(1, int(left / (self.seconds * _CAMPAIGNS_PER_SECOND)))
        chance = self.chance("sizes")
        sizes = [first]
        while left > 0:
            sizes.append(min(left, chance.choice((1, mean, mean, 2 * mean))))
            left -= sizes[-1]
        return sizes

    def behaviour(self, *, faulty: bool = True) -> Behaviour:
        """How the ESP behaves; it refuses nobody for good."""
        faults = Faults(delay=_DELAY if self.batch == 1 else _BATCH_DELAY)
        return Behaviour(
            faults=replace(faults, **_OFTEN) if faulty else faults,
            idempotent=self.mode is Mode.IDEMPOTENT,
            address_rules=False,
            seed=self.seed,
        )

    def provider(self, nickname: str, url: str) -> provider_pb2.Provider:
        provider = provider_pb2.Provider(
            nickname=nickname,
            request_type=provider_pb2.REQUEST_TYPE_POST,
            http_endpoint=f"{url}/send",
            parameters=_MESSAGE if self.batch == 1 else f'{{"messages": [{_MESSAGE}]}}',
        )
        if self.batch > 1:
            provider.batch.max_messages = self.batch
        provider.limits.max_in_flight = self.max_in_flight
        # No message runs out of attempts, by misfortune, and is rejected.
        provider.limits.max_attempts = 20
        return provider

    def campaign(self, request_id: str, provider: str) -> common_pb2.CampaignSpec:
        at_most, at_least = (
            common_pb2.DELIVERY_GUARANTEE_AT_MOST_ONCE,
            common_pb2.DELIVERY_GUARANTEE_AT_LEAST_ONCE,
        )
        return common_pb2.CampaignSpec(
            request_id=request_id,
            provider=provider,
            subject="Hello",
            from_name="Acme",
            from_address="news@acme.example",
            html="<p>Spring is here.</p>",
            delivery_guarantee=at_most if self.at_most_once else at_least,
        )
