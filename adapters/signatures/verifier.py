"""The port SignatureVerifier: each scheme's module says whether its signature holds."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from adapters.signatures.asymmetric import verify_ecdsa, verify_rsa
from adapters.signatures.credentials import verify_basic, verify_header_token
from adapters.signatures.hashed import verify_hmac
from adapters.signatures.mandrill import verify_mandrill
from adapters.signatures.proof import Proof, traces
from adapters.signatures.reading import Reading
from adapters.signatures.sns import verify_sns
from adapters.signatures.sns_certificates import SnsCertificates
from adapters.signatures.standard_webhooks import verify_standard_webhooks
from adapters.signatures.unisender import verify_unisender
from domain.errors import TryLater
from domain.webhook_mapping import Signature, SignatureScheme
from domain.webhook_request import WebhookRequest
from services.ports import Clock, SignatureUses, Trace, Verified

_SCHEMES: Mapping[SignatureScheme, Callable[[Signature, Reading], Proof | None]] = {
    SignatureScheme.HMAC: verify_hmac,
    SignatureScheme.STANDARD_WEBHOOKS: verify_standard_webhooks,
    SignatureScheme.ECDSA: verify_ecdsa,
    SignatureScheme.RSA: verify_rsa,
    SignatureScheme.MANDRILL: verify_mandrill,
    SignatureScheme.UNISENDER: verify_unisender,
    SignatureScheme.BASIC: verify_basic,
    SignatureScheme.HEADER_TOKEN: verify_header_token,
}


class WebhookSignatures:
    """Verifies over the raw bytes; what a signature's expressions need is parsed and no more."""

    def __init__(self, *, uses: SignatureUses, certificates: SnsCertificates, clock: Clock) -> None:
        self._uses = uses
        self._certificates = certificates
        self._clock = clock

    async def verify(
        self, signatures: Sequence[Signature], request: WebhookRequest
    ) -> Verified | None:
        """See the port. Raises TryLater where the database or a certificate cannot be had now."""
        reading = Reading(request)
        found: list[Trace] = []
        for signature in signatures:
            proof = await self._proof(signature, reading)
            if proof is None:
                return None
            of_it = traces(signature, reading, proof, now=self._clock.now())
            if of_it is None:
                return None
            found += of_it
        return await self._unless_used(found) if found else Verified()

    async def remember(self, verified: Verified) -> None:
        if verified.traces:
            # The request is stored, and to fail now would say that it was not.
            with suppress(TryLater):
                await self._uses.add(verified.traces)

    async def _proof(self, signature: Signature, reading: Reading) -> Proof | None:
        if signature.scheme is SignatureScheme.SNS:
            return await verify_sns(signature, reading, self._certificates)
        return _SCHEMES[signature.scheme](signature, reading)

    async def _unless_used(self, found: Sequence[Trace]) -> Verified | None:
        known = await self._uses.find([trace.use for trace in found])
        if any(known.get(trace.use, trace.body) != trace.body for trace in found):
            return None
        return Verified(traces=tuple(found), repeated=all(trace.use in known for trace in found))
