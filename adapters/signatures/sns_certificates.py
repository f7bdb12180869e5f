"""The certificates that Amazon SNS signs with: fetched once, believed by their issuer alone."""

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from adapters.signatures.authorities import Authorities, certificates, issuer_urls
from domain.errors import TryLater
from domain.http import HttpRequest, TransportError
from services.ports import Clock, Transport

# The name in SNS's certificates; a service like it may have its own host there.
_SNS_NAME = "sns.amazonaws.com"
# Where Amazon's certificates say that their issuers' are: over http, since what comes from there
# proves itself, or does not.
_ISSUER = re.compile(r"https?://[a-z0-9.-]+\.amazontrust\.com/[\w./-]*", re.A)
# SNS waits 15 s for the whole answer.
_FETCH_SECONDS = 5.0
_REMEMBER_SECONDS = 86_400.0
_REMEMBER_NONE_SECONDS = 60.0
_MOST_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class _Known:
    """What a URL gave: a key that is good until then, or that it gave none."""

    key: RSAPublicKey | None
    until: float


class SnsCertificates:
    """Keys by the URL of their certificate, which the caller has found allowed.

    Not more than one is fetched at a time, whoever asks for whatever.
    """

    def __init__(self, transport: Transport, authorities: Authorities, clock: Clock) -> None:
        self._transport = transport
        self._authorities = authorities
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._fetching = asyncio.Lock()

    async def key(self, url: str) -> RSAPublicKey | None:
        """None where there is no certificate that our authorities vouch for at this time.

        Raises TryLater where it cannot be fetched now.
        """
        known = self._remembered(url)
        if known is not None:
            return known.key
        async with self._fetching:
            known = self._remembered(url) or await self._learn(url)
        return known.key

    def _remembered(self, url: str) -> _Known | None:
        known = self._known.get(url)
        now = self._clock.now()
        # One from further ahead was learnt before the clock was put back.
        if known is None or not now < known.until <= now + _REMEMBER_SECONDS:
            return None
        return known

    async def _learn(self, url: str) -> _Known:
        certificate = await self._trusted(url)
        now = self._clock.now()
        key = None if certificate is None else certificate.public_key()
        if certificate is None or not isinstance(key, RSAPublicKey):
            known = _Known(None, now + _REMEMBER_NONE_SECONDS)
        else:
            end = certificate.not_valid_after_utc.timestamp()
            known = _Known(key, min(now + _REMEMBER_SECONDS, end))
        self._known.pop(url, None)
        while len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[url] = known
        return known

    async def _trusted(self, url: str) -> x509.Certificate | None:
        chain = certificates(await self._fetch(url))
        names = (_SNS_NAME, urlsplit(url).hostname or _SNS_NAME)
        if self._authorities.vouch_for(chain, names, now=self._clock.now()):
            return chain[0]
        # SNS's file holds its own certificate alone: the one in between is where that says.
        for place in issuer_urls(chain[0]) if len(chain) == 1 else ():
            if _ISSUER.fullmatch(place):
                chain += certificates(await self._fetch(place))
                break
        vouched = self._authorities.vouch_for(chain, names, now=self._clock.now())
        return chain[0] if vouched else None

    async def _fetch(self, url: str) -> bytes:
        """The body of a 200, nothing for an answer that will not become one."""
        request = HttpRequest(method="GET", url=url)
        try:
            answer = await self._transport.send(request, timeout_seconds=_FETCH_SECONDS)
        except TransportError as error:
            raise _not_now(error.reason) from error
        if answer.status >= 500 or answer.status in (408, 425, 429):
            raise _not_now(f"it answers {answer.status}")
        return answer.body if answer.status == 200 and not answer.truncated else b""


def _not_now(why: str) -> TryLater:
    return TryLater(f"the certificate that SNS signs with cannot be fetched: {why}")
