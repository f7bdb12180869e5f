from pathlib import Path

import certifi

from adapters.signatures.authorities import Authorities, certificates, issuer_urls
from tests.adapters.signed_requests import NOW
from tests.adapters.sns_sender import ISSUER_URL, authority, signer


def test_mozilla_s_authorities_are_read_and_do_not_vouch_for_a_stranger() -> None:
    stranger = signer(authority("root")).certificate
    mozilla = Authorities(Path(certifi.where()))
    assert not mozilla.vouch_for([stranger], ["sns.amazonaws.com"], now=NOW)
    assert not mozilla.vouch_for([], ["sns.amazonaws.com"], now=NOW)


def test_certificates_are_read_in_either_form_and_other_text_is_passed_over() -> None:
    root, other = authority("root"), authority("impostor")
    assert certificates(root.der) == [root.certificate]
    both = certificates(b"# A comment\n" + root.pem + b"\nmore\n" + other.pem)
    assert both == [root.certificate, other.certificate]
    assert certificates(b"") == []
    assert certificates(root.pem[:200]) == []


def test_where_the_issuer_is_stands_in_a_certificate_or_it_does_not() -> None:
    root = authority("root")
    assert list(issuer_urls(root.certificate)) == []
    named = signer(root, issuer_url=ISSUER_URL)
    assert list(issuer_urls(named.certificate)) == [ISSUER_URL]
