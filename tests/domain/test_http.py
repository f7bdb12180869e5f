"""Requests and answers as values."""

import pytest

from domain.http import AnswerLost, HttpRequest, HttpResponse, NotSent, TransportError, check

URL = "https://api.example.com:8443/v1/send?key=k-secret"


def request(**changes: object) -> HttpRequest:
    given: dict[str, object] = {
        "method": "POST",
        "url": URL,
        "headers": (("Authorization", "Basic c2VjcmV0"), ("X-Empty", "")),
        "body": b"body-secret",
    }
    return HttpRequest(**(given | changes))  # type: ignore[arg-type]


def test_a_request_as_text_shows_the_server_and_no_secret() -> None:
    assert f"{request()!r} {request()}" == " ".join(
        ["<HttpRequest POST to api.example.com:8443>"] * 2
    )


def test_an_answer_as_text_shows_neither_its_headers_nor_its_body() -> None:
    response = HttpResponse(status=200, headers=(("Set-Cookie", "s-secret"),), body=b"b-secret")

    assert "secret" not in repr(response)


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
def test_a_header_of_an_answer_is_found_in_any_case(name: str) -> None:
    response = HttpResponse(status=429, headers=(("Retry-After", "7"), ("retry-after", "9")))

    assert response.header(name) == "7"
    assert response.header("Retry") is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "https://api.example.com",
        "HTTPS://api.example.com/",
        "https://api.example.com?to=a%40b",
        "https://api.example.com/v1/../send?to=$&q='()*+,;=",
        "https://[::1]:8080/send",
        "https://api_eu.example.com/send#part",
    ],
)
def test_urls_that_can_be_sent(url: str) -> None:
    check(request(url=url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "https:///send",
        "https://user:password@api.example.com/",
        "https://api.example.com/a b",
        "https://api.example.com/?q=a b",
        "https://api.example.com/?q=é",
        "https://bücher.example/",
        "https://api.example.com/\r\nX-Injected: 1",
        "https://api.example.com/?q=\r\nX-Injected: 1",
        "https://api.example.com\\@other.example/",
    ],
)
def test_urls_that_cannot_be_sent_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the URL must start with http"):
        check(request(url=url))


@pytest.mark.parametrize("method", ["HEAD", "post", "", "GET / HTTP/1.1\r\nX-Injected: 1"])
def test_only_get_and_post_are_sent(method: str) -> None:
    with pytest.raises(ValueError, match="the method is GET or POST"):
        check(request(method=method))


def test_a_get_with_a_body_is_refused() -> None:
    with pytest.raises(ValueError, match="a GET request has no body"):
        check(request(method="GET"))


@pytest.mark.parametrize("value", ["", " ", "a\tb", "!~", "Ann <ann@example.com>"])
def test_header_values_that_can_be_sent(value: str) -> None:
    check(request(headers=(("X-Name", value),)))


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x1f", "\x7f", "\x80", "é", "\u2028"])
def test_a_refused_header_value_is_named_by_its_header_and_not_quoted(character: str) -> None:
    headers = (("X-Good", "fine"), ("X-Token", f"t-secret{character}"))

    with pytest.raises(ValueError, match="the value of header X-Token") as refusal:
        check(request(headers=headers))

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("name", ["", "X Name", "X-Name:", "X-Näme", "X\r\nY", "@file"])
def test_a_name_that_is_no_token_is_no_header_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no header name"):
        check(request(headers=((name, "value"),)))


@pytest.mark.parametrize("name", ["Host", "CONTENT-LENGTH", "Transfer-Encoding", "connection"])
def test_headers_of_the_connection_are_left_to_the_transport(name: str) -> None:
    with pytest.raises(ValueError, match=f"header {name} is made by the transport"):
        check(request(headers=((name, "value"),)))


@pytest.mark.parametrize("error", [NotSent, AnswerLost])
def test_transport_errors_say_why(error: type[TransportError]) -> None:
    assert str(error("no route")) == error("no route").reason == "no route"
    assert issubclass(error, TransportError)
