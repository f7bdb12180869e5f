"""What of a request and of its answer people see, and the command that repeats the request."""

import base64
import shlex
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaign import Content, Recipient
from domain.http import HttpRequest
from domain.masking import (
    MASK,
    curl_command,
    mask_answer_headers,
    mask_echoes,
    mask_request,
    secrets_sent,
)
from domain.provider import BasicAuthentication, Header, ProviderConfig
from domain.rendering import RenderedRequest, Renderer
from domain.replacements import placeholders
from tests.domain.provider_samples import BASIC, POST, header, post

CONTENT = Content(subject="S", from_name="N", from_address="a@example.com", html="<p>H</p>")
LETTERS = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
PRINTABLE = st.text(LETTERS, max_size=30)
# A placeholder in a secret is no part of it: it is replaced before anything leaves.
SECRETS = st.text(LETTERS, min_size=7, max_size=30).filter(lambda text: not any(placeholders(text)))
NAMES = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True)
URLS = st.from_regex(r"https://api\.example\.com/[!-\"$-~]{0,40}", fullmatch=True)
# Everything that UTF-8 can say but NUL, which strict JSON does not hold.
BODIES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)


def rendered(config: ProviderConfig) -> HttpRequest:
    """A request as the service makes it."""
    renderer = Renderer(config, CONTENT, campaign_id="7", message_ids=lambda o: ["mid"] * len(o))
    (made,) = renderer.render([(0, Recipient("p@example.com"))])
    assert isinstance(made, RenderedRequest)
    return made.request


def test_secret_headers_are_masked_whatever_their_case_and_all_else_stays() -> None:
    config = post(headers=(header("X-Api-Key", "k3y-k3y-k3y", secret=True), header("X-Plain")))
    request = rendered(config)
    shouted = replace(
        request, headers=tuple((name.upper(), value) for name, value in request.headers)
    )
    assert mask_request(request, config).headers == (
        ("X-Api-Key", MASK),
        ("X-Plain", "v"),
        ("Content-Type", "application/json"),
    )
    assert mask_request(shouted, config).headers[0] == ("X-API-KEY", MASK)
    assert mask_request(request, config).body == request.body


def test_the_authorization_made_of_a_password_is_masked() -> None:
    config = post(basic=BASIC)
    masked = mask_request(rendered(config), config)
    assert ("Authorization", MASK) in masked.headers


def test_an_authorization_that_nobody_called_a_secret_is_shown() -> None:
    config = post(headers=(header("Authorization", "public"),))
    assert ("Authorization", "public") in mask_request(rendered(config), config).headers


def test_a_masked_request_stays_as_it_is() -> None:
    config = post(basic=BASIC, headers=(header(secret=True),))
    masked = mask_request(rendered(config), config)
    assert mask_request(masked, config) == masked


def test_a_secret_made_of_a_placeholder_is_masked_too() -> None:
    config = post(headers=(header("X-Who", "$$To", secret=True),))
    assert mask_request(rendered(config), config).headers[0] == ("X-Who", MASK)


@given(value=SECRETS)
def test_no_secret_is_left_in_the_command(value: str) -> None:
    password = f"pw-{value}-pw"
    config = replace(
        POST,
        basic=BasicAuthentication(username="sara", password=password),
        headers=(Header(name="X-Key", value=f"the-{value}-key", secret=True),),
    )
    masked = mask_request(rendered(config), config)
    shown = f"{masked.headers} {curl_command(masked)}"
    for secret in (
        password,
        f"the-{value}-key",
        base64.b64encode(f"sara:{password}".encode()).decode(),
    ):
        assert secret not in shown


def test_cookies_of_an_answer_are_masked() -> None:
    headers = (("set-cookie", "sid=1"), ("Set-Cookie", "b=2"), ("Server", "x"))
    shown = (("set-cookie", MASK), ("Set-Cookie", MASK), ("Server", "x"))
    assert mask_answer_headers(headers) == shown


@pytest.mark.parametrize(
    ("value", "echo", "shown"),
    [
        ("k3y-of-ours", "you sent k3y-of-ours.", "you sent ***."),
        ("Bearer abcdefgh12", '{"token": "abcdefgh12"}', '{"token": "***"}'),
        ('quo"te\\d', '{"key": "quo\\"te\\\\d"}', '{"key": "***"}'),
        ("a/b/c/d", '{"key": "a\\/b\\/c\\/d"}', '{"key": "***"}'),
        ("Bearer abcdefgh12", "Bearer is the scheme", "Bearer is the scheme"),
        ("1", "1 message", "1 message"),
    ],
)
def test_an_answer_that_repeats_a_secret_shows_none(value: str, echo: str, shown: str) -> None:
    config = post(headers=(header("X-Key", value, secret=True),))
    assert mask_echoes(echo, secrets_sent(rendered(config), config)) == shown


def test_an_answer_that_repeats_the_password_or_its_header_shows_neither() -> None:
    config = post(basic=BASIC)
    request = rendered(config)
    sent = dict(request.headers)["Authorization"]
    echo = f"{BASIC.password} {sent} {sent.split()[1]}"
    assert mask_echoes(echo, secrets_sent(request, config)) == "*** *** ***"


@given(
    url=URLS,
    headers=st.lists(st.tuples(NAMES, PRINTABLE), max_size=4),
    body=st.none() | BODIES,
)
def test_a_shell_reads_back_the_words_of_the_command(
    url: str, headers: list[tuple[str, str]], body: str | None
) -> None:
    encoded = None if body is None else body.encode()
    request = HttpRequest(method="POST", url=url, headers=tuple(headers), body=encoded)
    words = shlex.split(curl_command(request))
    data = words.index("--data-raw")
    assert words[0] == "curl"
    assert url in words
    assert words[data + 1 :] == [body or ""]
    given_lines = [words[i + 1] for i, word in enumerate(words[:data]) if word == "--header"]
    assert given_lines[: len(headers)] == [
        f"{name}: {value}" if value.strip() else f"{name};" for name, value in headers
    ]


def test_a_get_is_a_plain_command() -> None:
    request = HttpRequest(method="GET", url="https://api.example.com/?to=a%40b&x=$1")
    assert curl_command(request) == "curl 'https://api.example.com/?to=a%40b&x=$1'"


@pytest.mark.parametrize(
    ("url", "flag"),
    [
        ("https://api.example.com/{a,b}", "--globoff"),
        ("https://[::1]:8080/", "--globoff"),
        ("https://api.example.com/a/../b", "--path-as-is"),
    ],
)
def test_a_url_that_curl_would_change_is_taken_as_it_is(url: str, flag: str) -> None:
    assert shlex.split(curl_command(HttpRequest(method="GET", url=url))) == ["curl", flag, url]


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_real_shell_hands_curl_the_whole_body(size: int) -> None:
    body = '{"html": "it\'s $HOME `id` \\" \n ü!"}' + "x" * size
    request = HttpRequest(
        method="POST",
        url="https://api.example.com/send?a=1&b=2",
        headers=(("X-Note", 'it\'s "quoted" $HOME !!'), ("Content-Type", "application/json")),
        body=body.encode(),
    )
    # A function stands in for curl: it prints its arguments, and what is piped into it.
    told = (
        'curl() { printf "%s\\n" "$@"; for last; do :; done; if [ "$last" = @- ]; then cat; fi; }\n'
    )
    shell = ["sh", "-s"]
    script = (told + curl_command(request)).encode()
    said = subprocess.run(shell, input=script, capture_output=True, check=True).stdout.decode()
    assert 'X-Note: it\'s "quoted" $HOME !!\n' in said
    assert "https://api.example.com/send?a=1&b=2\n" in said
    assert said.endswith((body, body + "\n"))
