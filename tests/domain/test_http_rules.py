"""The rules for URL, headers and credentials: each refusal with field, reason and sentence."""

from dataclasses import replace

import pytest

from domain.errors import Advice
from domain.provider import (
    BasicAuthentication,
    BodyEncoding,
    IdempotencyKey,
    ProviderConfig,
    QueryParameter,
    Secret,
)
from domain.provider_rules import check
from tests.domain.provider_samples import BASIC, GET, MESSAGE, POST, header, post


@pytest.mark.parametrize(
    "config",
    [
        post(http_endpoint="http://localhost:8080"),
        post(http_endpoint="https://[2001:db8::1]:8443/send"),
        post(http_endpoint="HTTPS://API.example.com/a%20b/send?x=1&y=%26"),
        post(http_endpoint="http://esp_sim:9000/send"),
        post(http_endpoint="https://xn--bcher-kva.example/"),
        post(http_endpoint="https://api.example.com/" + "x" * 8168),
        post(basic=BASIC),
        post(http_endpoint="https://api.example.com/$$CampaignID/send?to=$$To.urlencode"),
        post(query_parameters=(QueryParameter(name="to", value="$$To"),)),
        post(headers=(header("Authorization", "Bearer k", secret=True),)),
        post(headers=(header("Content-Type", "application/vnd.esp+json"),)),
        post(headers=(header("X-To", "$$To"), header("!#$%&'*+-.^_`|~9", "\tv v"))),
        post(headers=(header("X-Empty", ""),)),
        post(headers=tuple(header(f"X-{i}") for i in range(100))),
        post(idempotency_key=IdempotencyKey(header_name=None)),
        post(idempotency_key=IdempotencyKey(header_name="X-Request-Id")),
        post(
            idempotency_key=IdempotencyKey(header_name=None),
            headers=(header("Idempotency-Key", "$$MessageID"),),
        ),
    ],
)
def test_a_good_configuration_is_taken(config: ProviderConfig) -> None:
    assert check(config)[0] == []


REFUSALS = [
    *(
        (
            post(http_endpoint=endpoint),
            "http_endpoint",
            "PLACEHOLDER_NOT_ALLOWED",
            "cannot hold `$$region` before its path",
        )
        for endpoint in (
            "https://$$region.example.com/send",
            "https://api.example.com:$$region/send",
            "$$region/send",
            "$$region://api.example.com/send",
        )
    ),
    (
        post(body_encoding=BodyEncoding.MULTIPART, headers=(header("content-type", "a/b"),)),
        "headers[0].name",
        "CONTENT_TYPE_TWICE",
        "is made with each body",
    ),
    # http_endpoint
    (post(http_endpoint=""), "http_endpoint", "INVALID_URL", "must start with http:// or https://"),
    (post(http_endpoint="ftp://x.com"), "http_endpoint", "INVALID_URL", "must start with http://"),
    (post(http_endpoint="api.example.com"), "http_endpoint", "INVALID_URL", "must start with"),
    (post(http_endpoint="https://"), "http_endpoint", "INVALID_URL", "has no valid host"),
    (post(http_endpoint="https:///send"), "http_endpoint", "INVALID_URL", "has no valid host"),
    (post(http_endpoint="https://:80/"), "http_endpoint", "INVALID_URL", "has no valid host"),
    (post(http_endpoint="https://a..b/"), "http_endpoint", "INVALID_URL", "has no valid host"),
    (post(http_endpoint="https://a%00b/"), "http_endpoint", "INVALID_URL", "has no valid host"),
    (post(http_endpoint="https://[::1/"), "http_endpoint", "INVALID_URL", "not valid"),
    (post(http_endpoint="https://[v1.x]/"), "http_endpoint", "INVALID_URL", "valid"),
    (post(http_endpoint="https://x.com:0/"), "http_endpoint", "INVALID_URL", "has port 0"),
    (post(http_endpoint="https://x.com:65536/"), "http_endpoint", "INVALID_URL", "1 to 65535"),
    (post(http_endpoint="https://x.com:http/"), "http_endpoint", "INVALID_URL", "1 to 65535"),
    (
        post(http_endpoint="https://sara:pw@x.com/"),
        "http_endpoint",
        "INVALID_URL",
        "holds credentials; remove them and set authentication.basic instead",
    ),
    (post(http_endpoint="https://@x.com/"), "http_endpoint", "INVALID_URL", "holds credentials"),
    (post(http_endpoint="https://x.com/#a"), "http_endpoint", "INVALID_URL", "has a fragment"),
    (post(http_endpoint="https://x.com/#"), "http_endpoint", "INVALID_URL", "remove the #"),
    (post(http_endpoint="https://x.com/a b"), "http_endpoint", "INVALID_URL", "percent-encode it"),
    (post(http_endpoint="https://x.com/\r\nX: y"), "http_endpoint", "INVALID_URL", "character"),
    (post(http_endpoint="https://x.com\\@y.com"), "http_endpoint", "INVALID_URL", "character"),
    (post(http_endpoint="https://bücher.example"), "http_endpoint", "INVALID_URL", "xn-- form"),
    (
        post(http_endpoint="https://x.com/" + "x" * 8179),
        "http_endpoint",
        "TOO_LONG",
        "is longer than 8192 characters",
    ),
    # authentication
    (
        post(basic=replace(BASIC, username="")),
        "authentication.basic.username",
        "REQUIRED",
        "give the user name, or choose no authentication",
    ),
    (
        post(basic=replace(BASIC, username="sa:ra")),
        "authentication.basic.username",
        "INVALID_CHARACTER",
        "holds a colon",
    ),
    (
        post(basic=replace(BASIC, username="sara\n")),
        "authentication.basic.username",
        "INVALID_CHARACTER",
        "holds a line break",
    ),
    (
        post(basic=replace(BASIC, username="s" * 1025)),
        "authentication.basic.username",
        "TOO_LONG",
        "is longer than 1024 characters",
    ),
    (
        post(basic=replace(BASIC, password="")),
        "authentication.basic.password",
        "REQUIRED",
        "none is stored; give the password",
    ),
    (
        post(basic=replace(BASIC, password="a\0b")),
        "authentication.basic.password",
        "INVALID_CHARACTER",
        "another control character",
    ),
    (
        post(basic=replace(BASIC, password="p" * 1025)),
        "authentication.basic.password",
        "TOO_LONG",
        "is longer than 1024 characters",
    ),
    (
        post(basic=BASIC, headers=(header(), header("authorization", "Bearer k"))),
        "headers[1].name",
        "AUTHORIZATION_TWICE",
        "is what authentication.basic sends already; remove this header, or the authentication",
    ),
    # headers
    (post(headers=(header(""),)), "headers[0].name", "INVALID_HEADER_NAME", "is missing"),
    (post(headers=(header("X Key"),)), "headers[0].name", "INVALID_HEADER_NAME", "no space"),
    (post(headers=(header("X-Key:"),)), "headers[0].name", "INVALID_HEADER_NAME", "or colon"),
    (post(headers=(header("X-Ké"),)), "headers[0].name", "INVALID_HEADER_NAME", "no header name"),
    (post(headers=(header("X\r\nY"),)), "headers[0].name", "INVALID_HEADER_NAME", "no header name"),
    (post(headers=(header("X" * 257),)), "headers[0].name", "INVALID_HEADER_NAME", "longer than"),
    (post(headers=(header("Host"),)), "headers[0].name", "INVALID_HEADER_NAME", "remove it"),
    (
        post(headers=(header(), header("content-LENGTH", "1"))),
        "headers[1].name",
        "INVALID_HEADER_NAME",
        "is a header that every request gets as it needs to be",
    ),
    (
        post(headers=(header("Transfer-Encoding", "chunked"),)),
        "headers[0].name",
        "INVALID_HEADER_NAME",
        "remove it",
    ),
    (
        post(headers=(header("Connection", "close"),)),
        "headers[0].name",
        "INVALID_HEADER_NAME",
        "remove it",
    ),
    (
        post(headers=(header("X-Key"), header("x-KEY", "other"))),
        "headers[1].name",
        "DUPLICATE_HEADER",
        "is the name of headers[0] too; join both values into one header",
    ),
    (
        post(headers=(header(value="a\rb"),)),
        "headers[0].value",
        "INVALID_HEADER_VALUE",
        "holds a line break",
    ),
    (
        post(headers=(header(value="$$To\nX-Other: y"),)),
        "headers[0].value",
        "INVALID_HEADER_VALUE",
        "holds a line break",
    ),
    (
        post(headers=(header(value="a\0b"),)),
        "headers[0].value",
        "INVALID_HEADER_VALUE",
        "another character that HTTP cannot carry",
    ),
    (
        post(headers=(header(value="naïve"),)),
        "headers[0].value",
        "INVALID_HEADER_VALUE",
        "visible ASCII characters, spaces and tabs only",
    ),
    (
        post(headers=(header(value="", secret=True),)),
        "headers[0].value",
        "REQUIRED",
        "none is stored for this name; give the value",
    ),
    (
        post(headers=(header(value="v" * 8193),)),
        "headers[0].value",
        "TOO_LONG",
        "is longer than 8192 characters",
    ),
    (
        post(headers=tuple(header(f"X-{i}") for i in range(101))),
        "headers",
        "TOO_MANY",
        "are more than 100",
    ),
    # idempotency key
    (
        post(headers=(header(), header("idempotency-key"))),
        "idempotency_key.header_name",
        "DUPLICATE_HEADER",
        "is the name of headers[1] too; remove that header, or rename or disable the idempotency",
    ),
    (
        post(idempotency_key=IdempotencyKey(header_name="Host")),
        "idempotency_key.header_name",
        "INVALID_HEADER_NAME",
        "remove it",
    ),
    (
        post(idempotency_key=IdempotencyKey(header_name="no name")),
        "idempotency_key.header_name",
        "INVALID_HEADER_NAME",
        "is no header name",
    ),
    (
        post(idempotency_key=IdempotencyKey(header_name="Content-Type")),
        "idempotency_key.header_name",
        "INVALID_HEADER_NAME",
        "choose another name",
    ),
]


@pytest.mark.parametrize(("config", "field", "reason", "sentence"), REFUSALS)
def test_a_fault_is_refused_with_its_field_its_reason_and_the_way_out(
    config: ProviderConfig, field: str, reason: str, sentence: str
) -> None:
    (violation,) = check(config)[0]
    assert (violation.field, violation.reason) == (field, reason)
    assert sentence in violation.message


@pytest.mark.parametrize(
    ("url", "sentences"),
    [
        (
            "ftp://u:p@host/#f",
            ["must start with http", "holds credentials", "has a fragment"],
        ),
        ("ftp://", ["must start with http", "has no valid host"]),
        ("api.example.com/a b#f", ["must start with http", "percent-encode", "has a fragment"]),
        ("https://u@:99999/#", ["holds credentials", "1 to 65535", "has a fragment"]),
        ("https://u@a..b:0", ["holds credentials", "has no valid host", "has port 0"]),
        # Of a host with such a character nothing more is said.
        ("https://sara:pw@bücher.example", ["percent-encode", "holds credentials"]),
        ("https://u@" + "x" * 8192 + "/", ["is longer than 8192", "holds credentials"]),
    ],
)
def test_all_that_is_wrong_with_a_url_is_told_at_once(url: str, sentences: list[str]) -> None:
    found = check(post(http_endpoint=url))[0]
    assert {violation.field for violation in found} == {"http_endpoint"}
    assert len(found) == len(sentences)
    for violation, sentence in zip(found, sentences, strict=True):
        assert sentence in violation.message


def test_no_sentence_repeats_a_secret() -> None:
    config = post(
        basic=BasicAuthentication(username="sara", password="hunter2\n"),
        headers=(header(value="hunter2 é", secret=True),),
    )
    violations, advice = check(config)
    assert [violation.field for violation in violations] == [
        "authentication.basic.password",
        "headers[0].value",
    ]
    assert "hunter2" not in repr(violations) + repr(advice) + repr(config)
    assert "é" not in violations[1].message


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        (
            post(http_endpoint="http://api.example.com", basic=BASIC),
            ("http_endpoint", "CREDENTIALS_UNENCRYPTED"),
        ),
        (
            post(http_endpoint="http://10.0.0.1", headers=(header(secret=True),)),
            ("http_endpoint", "CREDENTIALS_UNENCRYPTED"),
        ),
        (
            post(http_endpoint="http://x.com", headers=(header("AUTHORIZATION", "Bearer k"),)),
            ("http_endpoint", "CREDENTIALS_UNENCRYPTED"),
        ),
        (
            post(headers=(header("content-type", "text/xml"),)),
            ("headers[0].value", "CONTENT_NOT_JSON"),
        ),
        (
            post(
                body_encoding=BodyEncoding.FORM,
                headers=(header("Content-Type", "application/json"),),
            ),
            ("headers[0].value", "CONTENT_NOT_FORM"),
        ),
        (
            post(http_endpoint="http://x.com", secrets=(Secret(name="key", value="s3cret"),)),
            ("http_endpoint", "CREDENTIALS_UNENCRYPTED"),
        ),
        # What the templates' own rules find comes along.
        (post(parameters=MESSAGE.replace("$$MessageID", "")), ("parameters", "MESSAGE_ID_MISSING")),
        (
            post(headers=(header("X-$$CampaignID", "1"),)),
            ("headers[0].name", "PLACEHOLDER_NOT_REPLACED"),
        ),
    ],
)
def test_what_is_allowed_and_hardly_meant_is_advised_against(
    config: ProviderConfig, advice: tuple[str, str]
) -> None:
    violations, advices = check(config)
    assert violations == []
    assert advice in [(each.field, each.reason) for each in advices]


@pytest.mark.parametrize(
    "config",
    [
        POST,
        GET,
        post(basic=BASIC),
        post(http_endpoint="http://localhost:8080", basic=BASIC),
        post(http_endpoint="http://127.0.0.1:8080", basic=BASIC),
        post(http_endpoint="http://[::1]:8080", basic=BASIC),
        post(http_endpoint="http://api.example.com"),
        post(headers=(header("Content-Type", "application/json; charset=utf-8"),)),
    ],
)
def test_what_is_meant_gets_no_advice(config: ProviderConfig) -> None:
    assert check(config) == ([], [])


def test_advice_says_the_way_out() -> None:
    (advice,) = check(post(http_endpoint="http://api.example.com", basic=BASIC))[1]
    assert advice == Advice(
        field="http_endpoint",
        reason="CREDENTIALS_UNENCRYPTED",
        message="sends credentials unencrypted, for anybody on the way to read; use https://",
    )
