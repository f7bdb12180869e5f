"""`espalier.v1.ProviderService`: configures the ESPs that campaigns are sent through."""

import asyncio
from dataclasses import replace

from domain.errors import InvalidRequest, Violation
from domain.provider import Provider, nickname_key
from entrypoints.convert.campaign import read_draft, read_recipients
from entrypoints.convert.exchange import to_tried_email
from entrypoints.convert.faults import to_warnings
from entrypoints.convert.preset import to_preset
from entrypoints.convert.provider import PREFIX, read_provider, to_config_message, to_provider
from entrypoints.errors import Context
from entrypoints.paging import Paging
from entrypoints.presets import all_presets
from espalier.v1 import provider_pb2, provider_pb2_grpc
from services.configure_provider import Configured, ConfigureProvider
from services.ports import Clock, ProviderRepository
from services.send_test_email import SendTestEmail

PAGING = Paging(listing="providers", default=50, most=1000)


class ProviderService(provider_pb2_grpc.ProviderServiceServicer):
    """Callback URLs begin with `public_base_url`, which has no slash at its end."""

    def __init__(
        self,
        *,
        configure: ConfigureProvider,
        send_test: SendTestEmail,
        providers: ProviderRepository,
        clock: Clock,
        public_base_url: str,
    ) -> None:
        self._configure = configure
        self._send_test = send_test
        self._providers = providers
        self._clock = clock
        self._public_base_url = public_base_url

    async def ConfigureProvider(
        self, request: provider_pb2.ConfigureProviderRequest, context: Context
    ) -> provider_pb2.ConfigureProviderResponse:
        if not request.HasField("provider"):
            raise _missing("provider", "give the provider as it shall be")
        wanted = read_provider(request.provider)
        faulty = bool(wanted.faults)
        try:
            done = await self._configure(
                wanted.config,
                # Of what is refused in any case it is only asked what else is wrong with it.
                etag="" if faulty else request.provider.etag,
                validate_only=faulty or request.validate_only,
            )
        except InvalidRequest as error:
            raise wanted.refusal(error.violations) from None
        if faulty:
            raise wanted.refusal()
        return provider_pb2.ConfigureProviderResponse(
            provider=self._configured(done),
            warnings=to_warnings(done.advice, PREFIX),
            created=done.is_new,
        )

    async def GetProvider(
        self, request: provider_pb2.GetProviderRequest, context: Context
    ) -> provider_pb2.GetProviderResponse:
        provider = await self._providers.get(_nickname(request.nickname))
        return provider_pb2.GetProviderResponse(provider=self._shown(provider))

    async def ListProviders(
        self, request: provider_pb2.ListProvidersRequest, context: Context
    ) -> provider_pb2.ListProvidersResponse:
        size, after = PAGING.size(request.page_size), PAGING.after(request.page_token)
        found = await self._providers.list(after=after, limit=size + 1)
        page, token = PAGING.page(found, size, lambda p: nickname_key(p.config.nickname))
        return provider_pb2.ListProvidersResponse(
            providers=[self._shown(provider) for provider in page], next_page_token=token
        )

    async def ListProviderPresets(
        self, request: provider_pb2.ListProviderPresetsRequest, context: Context
    ) -> provider_pb2.ListProviderPresetsResponse:
        presets = await asyncio.to_thread(all_presets)
        return provider_pb2.ListProviderPresetsResponse(presets=map(to_preset, presets))

    async def DeleteProvider(
        self, request: provider_pb2.DeleteProviderRequest, context: Context
    ) -> provider_pb2.DeleteProviderResponse:
        await self._providers.delete(_nickname(request.nickname), etag=request.etag)
        return provider_pb2.DeleteProviderResponse()

    async def SendTestEmail(
        self, request: provider_pb2.SendTestEmailRequest, context: Context
    ) -> provider_pb2.SendTestEmailResponse:
        (recipient,) = read_recipients([request.recipient])
        tried = await self._send_test(request.nickname, recipient, read_draft(request.campaign))
        return to_tried_email(tried)

    def _configured(self, done: Configured) -> provider_pb2.Provider:
        if done.provider is None:
            return to_config_message(done.config)
        # With validate_only the stored one is another; etag and times are those of today.
        return self._shown(replace(done.provider, config=done.config))

    def _shown(self, provider: Provider) -> provider_pb2.Provider:
        url = f"{self._public_base_url}/callbacks/{provider.callback_token}"
        return to_provider(provider, callback_url=url, now=self._clock.now())


def _nickname(nickname: str) -> str:
    if not nickname:
        raise _missing("nickname", "give the nickname of a provider")
    return nickname


def _missing(field: str, way_out: str) -> InvalidRequest:
    message = f"is missing; {way_out}"
    return InvalidRequest([Violation(field=field, reason="REQUIRED", message=message)])
