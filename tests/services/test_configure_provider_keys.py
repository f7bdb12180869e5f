"""Public keys in a provider's webhook signatures are read before they are stored."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.signatures.faults import unreadable_keys
from domain.callback import CallbackType
from domain.errors import InvalidRequest
from domain.webhook_mapping import Signature, SignatureScheme, TypeRule, WebhookMapping
from services.configure_provider import ConfigureProvider
from tests.adapters.signed_requests import as_base64
from tests.domain.provider_samples import POST
from tests.fakes.clock import FakeClock
from tests.fakes.provider_repository import FakeProviderRepository
from tests.fakes.store import Store

KEY = as_base64(ec.generate_private_key(ec.SECP256R1()).public_key())


def signature(key: str) -> Signature:
    return Signature(scheme=SignatureScheme.ECDSA, secrets=(key,), header="x-signature")


def mapping(*signatures: Signature) -> WebhookMapping:
    return WebhookMapping(
        type="event.type",
        types=(TypeRule(pattern="delivered", type=CallbackType.DELIVERED),),
        email="event.email",
        meta="event.meta",
        signatures=signatures,
    )


def configure() -> ConfigureProvider:
    providers = FakeProviderRepository(Store(FakeClock()))
    return ConfigureProvider(providers, unreadable_keys=unreadable_keys)


async def test_a_key_that_can_be_read_is_stored() -> None:
    done = await configure()(replace(POST, webhook=mapping(signature(KEY))))
    assert done.config.webhook is not None
    assert done.config.webhook.signatures[0].secrets == (KEY,)


async def test_one_that_cannot_is_named_by_its_place_along_with_all_other_faults() -> None:
    faulty = replace(
        POST, http_endpoint="", webhook=mapping(signature(KEY), signature("no key of mine"))
    )
    with pytest.raises(InvalidRequest) as refused:
        await configure()(faulty)
    fields = {violation.field for violation in refused.value.violations}
    assert {"http_endpoint", "webhook.signatures[1].secrets[0]"} <= fields
    assert "no key of mine" not in str(refused.value)
