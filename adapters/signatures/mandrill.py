"""Mandrill: HMAC-SHA1 over the webhook's URL and every field of the form, sorted by name."""

import base64
import hmac

from adapters.signatures.encodings import octets
from adapters.signatures.proof import Proof
from adapters.signatures.reading import Reading
from domain.webhook_mapping import Signature

_HEADER = "x-mandrill-signature"
# Before a webhook has a key it is tried with no events, signed with this.
_TEST_KEY = b"test-webhook"
_TEST_FIELDS = [("mandrill_events", "[]")]


def verify_mandrill(signature: Signature, reading: Reading) -> Proof | None:
    given = octets(reading.header(signature.header or _HEADER) or "")
    # The name alone decides: what repeats stays in the order that it came in.
    fields = sorted(reading.fields, key=lambda field: field[0])
    url = signature.url or reading.request.url
    signed = octets(url + "".join(name + value for name, value in fields))
    if not given or signed is None or not fields:
        return None
    keys = [key for key in map(octets, signature.secrets) if key]
    if fields == _TEST_FIELDS:
        keys.append(_TEST_KEY)
    expected = [base64.b64encode(hmac.digest(key, signed, "sha1")) for key in keys]
    if any(hmac.compare_digest(one, given.strip()) for one in expected):
        return Proof(signed=signed, body=reading.request.body)
    return None
