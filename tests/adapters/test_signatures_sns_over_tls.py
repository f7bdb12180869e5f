"""SNS's certificate over a real connection, by the transport and the CA file of the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from adapters.curl import CurlOptions, CurlTransport
from adapters.signatures.authorities import Authorities
from adapters.signatures.sns_certificates import SnsCertificates
from adapters.signatures.verifier import WebhookSignatures
from domain.webhook_mapping import Signature, SignatureScheme
from services.confirm_subscription import ConfirmSubscription
from tests.adapters.signed_requests import NOW
from tests.adapters.sns_sender import TOPIC, Sns, confirmation
from tests.adapters.transport_tls import new_authority
from tests.fakes.clock import FakeClock
from tests.fakes.signature_uses import FakeSignatureUses
from tests.fakes.store import Store


@asynccontextmanager
async def sns_server(sns: Sns, asked: list[str]) -> AsyncIterator[tuple[int, Path]]:
    """Its port, and a file of all whom to trust: who vouches for the server, and who for SNS."""

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(body=sns.by.pem)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    tls = new_authority(sns.folder)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.server_context(sns.folder))
    await site.start()
    ca_file = sns.folder / "both.pem"
    ca_file.write_bytes(tls.ca_file.read_bytes() + sns.root.pem)
    try:
        yield runner.addresses[0][1], ca_file
    finally:
        await runner.cleanup()


async def test_a_certificate_is_fetched_and_a_subscription_confirmed(tmp_path: Path) -> None:
    sns, asked, clock = Sns(tmp_path), list[str](), FakeClock(NOW)
    async with sns_server(sns, asked) as (port, ca_file):
        host = f"127.0.0.1:{port}"
        signature = Signature(
            scheme=SignatureScheme.SNS, topics=(TOPIC,), certificate_hosts=(host,)
        )
        fields = confirmation(
            SigningCertURL=f"https://{host}/key.pem", SubscribeURL=f"https://{host}/?Token=1"
        )
        transport = CurlTransport(CurlOptions(user_agent="tests", ca_file=str(ca_file)))
        try:
            verifier = WebhookSignatures(
                uses=FakeSignatureUses(Store(clock)),
                certificates=SnsCertificates(transport, Authorities(ca_file), clock),
                clock=clock,
            )
            request = sns.request(**fields)
            assert await verifier.verify([signature], request) is not None
            assert await ConfirmSubscription(transport)([signature], request)
        finally:
            await transport.close()
    assert asked == ["/key.pem", "/?Token=1"]
