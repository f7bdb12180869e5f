"""What came of `$$secret.NAME` is masked wherever the template put it, and in echoes of it."""

import shlex
from base64 import b64encode
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.encodings import form_encoded, quoted_name
from domain.http import HttpRequest
from domain.masking import MASK, curl_command, mask_echoes, mask_request, secrets_sent
from domain.provider import AwsSignature, Secret
from tests.domain.provider_samples import post

# With what each encoding writes in another way.
VALUE = 'p/q+r "s" ä&=~*'
CONFIG = post(secrets=(Secret(name="key", value=VALUE), Secret(name="longer", value=VALUE + "!")))
AWS = AwsSignature(
    region="eu-west-1", service="ses", access_key_id="AKIA", secret_access_key="aws key"
)


def as_json(text: str) -> str:
    return orjson.dumps(text)[1:-1].decode()


def based(text: str) -> str:
    return b64encode(text.encode()).decode()


WRITTEN = [
    VALUE,
    as_json(VALUE),
    as_json(VALUE).replace("/", "\\/"),
    as_json(as_json(VALUE)),
    quote(VALUE, safe=""),
    quote_plus(VALUE),
    form_encoded(VALUE),
    form_encoded(as_json(VALUE)),
    quoted_name(VALUE),
    quote_plus(as_json(VALUE)),
    quote_plus(as_json(as_json(VALUE))),
    based(VALUE),
    quote(based(VALUE), safe=""),
]


@pytest.mark.parametrize("written", WRITTEN)
def test_a_secret_is_masked_in_every_spelling_that_a_template_gives_it(written: str) -> None:
    request = HttpRequest(
        method="POST",
        url=f"https://api.example.com/{written}/send?key={written}",
        headers=(("X-Key", f"Bearer {written}"), ("X-Open", "open")),
        body=f'{{"key":"{written}","text":"stays"}}'.encode(),
    )
    assert mask_request(request, CONFIG) == HttpRequest(
        method="POST",
        url=f"https://api.example.com/{MASK}/send?key={MASK}",
        headers=(("X-Key", f"Bearer {MASK}"), ("X-Open", "open")),
        body=f'{{"key":"{MASK}","text":"stays"}}'.encode(),
    )


@pytest.mark.parametrize("written", WRITTEN)
def test_an_answer_that_repeats_a_secret_is_masked(written: str) -> None:
    request = HttpRequest(method="POST", url="https://api.example.com/", body=b"{}")
    echo = mask_echoes(f"unknown key {written}.", secrets_sent(request, CONFIG))
    assert echo == f"unknown key {MASK}."


def test_the_longer_of_two_secrets_leaves_no_rest() -> None:
    body = f'{{"a":"{as_json(VALUE)}!","b":"{as_json(VALUE)}"}}'.encode()
    masked = mask_request(HttpRequest(method="POST", url="https://a.example/", body=body), CONFIG)
    assert masked.body == b'{"a":"***","b":"***"}'


@given(st.text(st.characters(codec="utf-8"), min_size=4, max_size=20))
def test_no_secret_is_left_of_a_form_of_json_in_json(value: str) -> None:
    inner = orjson.dumps({"key": value}).decode()
    body = f"data={quote_plus(orjson.dumps({'inner': inner}).decode())}".encode()
    config = post(secrets=(Secret(name="key", value=value),))
    masked = mask_request(HttpRequest(method="POST", url="https://a.example/", body=body), config)
    empty = orjson.dumps({"inner": orjson.dumps({"key": MASK}).decode()}).decode()
    assert masked.body in (
        f"data={quote_plus(empty).replace(quote_plus(MASK), MASK)}".encode(),
        # A value such as `inner` stands in more places than its own.
        *([masked.body] if value in empty else []),
    )


def test_a_get_has_no_body_to_mask() -> None:
    request = HttpRequest(method="GET", url="https://a.example/")
    assert mask_request(request, CONFIG).body is None


def test_the_command_of_a_signed_request_lets_curl_sign_and_shows_no_key() -> None:
    request = HttpRequest(
        method="POST", url="https://email.eu-west-1.example/", body=b"{}", aws_signature=AWS
    )
    for command in (curl_command(mask_request(request, CONFIG)), curl_command(request)):
        words = shlex.split(command)
        assert words[words.index("--aws-sigv4") + 1] == "aws:amz:eu-west-1:ses"
        assert words[words.index("--user") + 1] == f"AKIA:{MASK}"
        assert "aws key" not in command
