"""Bodies that are no JSON: forms, in both of their encodings."""

from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaign import Content
from domain.provider import Batch, BodyEncoding, Secret
from domain.rendering import RenderedRequest
from tests.domain.rendering_samples import person, provider, renderer, requests

FORM: dict[str, Any] = {"body_encoding": BodyEncoding.FORM}
MULTIPART: dict[str, Any] = {"body_encoding": BodyEncoding.MULTIPART}
CONTENT = Content(subject="S & T", from_name="Acme, Inc.", from_address="f@x.y", html="<p>é</p>")

MAILGUN = """{
  "from": "$$FromAddress.mailbox", "to": "$$To", "cc": ["$$cc"], "subject": "$$Subject",
  "html": "$$HTML", "v:mid": "$$MessageID", "o:tag": ["news", "$$x"], "o:tracking": true,
  "o:n": 1.50, "vars": {"$json": {"x": "$$x"}}, "key": "$$secret.key"
}"""
FIELDS = [
    ("from", '"Acme, Inc." <f@x.y>'),
    ("to", "p1@example.com"),
    ("cc", "a@x.y"),
    ("cc", "b@x.y"),
    ("subject", "S & T"),
    ("html", "<p>é</p>"),
    ("v:mid", "mid-1"),
    ("o:tag", "news"),
    ("o:tag", "a+b\r\n"),
    ("o:tracking", "true"),
    ("o:n", "1.50"),
    ("vars", '{"x":"a+b\\r\\n"}'),
    ("key", "k&1"),
]


def sent(template: str, *, x: Any = "a+b\r\n", **changes: Any) -> RenderedRequest:
    secrets = (Secret(name="key", value="k&1"),)
    config = provider(template, secrets=secrets, **changes)
    (found,) = requests(config, [person(1, x=x)], CONTENT, cc=["a@x.y", "b@x.y"])
    return found


def body(request: RenderedRequest) -> bytes:
    assert request.request.body is not None
    return request.request.body


def form_fields(request: RenderedRequest) -> list[tuple[str, str]]:
    text = body(request).decode("ascii")
    return parse_qsl(text, keep_blank_values=True, strict_parsing=text != "")


def multipart_fields(request: RenderedRequest) -> list[tuple[str, str]]:
    """As the standard library's reader of mail sees them: not one line of ours is in it."""
    content_type = dict(request.request.headers)["Content-Type"].encode()
    head = b"MIME-Version: 1.0\r\nContent-Type: " + content_type + b"\r\n\r\n"
    found = []
    for part in message_from_bytes(head + body(request), policy=HTTP).iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        found.append((name, content.decode()))
    return found


def test_a_template_becomes_a_form() -> None:
    request = sent(MAILGUN, **FORM)
    assert form_fields(request) == FIELDS
    assert dict(request.request.headers)["Content-Type"] == "application/x-www-form-urlencoded"


def test_a_template_becomes_a_multipart_body() -> None:
    assert multipart_fields(sent(MAILGUN, **MULTIPART)) == FIELDS


def test_a_multipart_body_is_written_as_rfc_7578_has_it() -> None:
    request = sent('{"a\\"b": "1\\r\\n2", "c": ""}', **MULTIPART)
    content_type = dict(request.request.headers)["Content-Type"]
    boundary = content_type.removeprefix("multipart/form-data; boundary=")
    assert body(request).decode() == (
        f'--{boundary}\r\nContent-Disposition: form-data; name="a%22b"\r\n\r\n1\r\n2\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="c"\r\n\r\n\r\n'
        f"--{boundary}--\r\n"
    )
    assert sent('{"a\\"b": "1\\r\\n2", "c": ""}', **MULTIPART) == request


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (None, [("x", "")]),
        (True, [("x", "true")]),
        (7.0, [("x", "7")]),
        (2**63, [("x", "9223372036854775808")]),
        ([1, "a", None], [("x", "1"), ("x", "a"), ("x", "")]),
        ([], []),
        ({"a": [1, True, None, "é"]}, [("x", '{"a":[1,true,null,"é"]}')]),
        ([["a", 1]], [("x", '["a",1]')]),
    ],
)
@pytest.mark.parametrize("encoding", [FORM, MULTIPART])
def test_a_value_becomes_the_text_of_fields(
    value: Any, fields: list[tuple[str, str]], encoding: dict[str, Any]
) -> None:
    read = form_fields if encoding is FORM else multipart_fields
    assert read(sent('{"x": "$$x", "end": 1}', x=value, **encoding)) == [*fields, ("end", "1")]


@given(st.text(), st.text(min_size=1))
def test_no_value_gets_out_of_its_field(value: str, key: str) -> None:
    config = provider('{"k$$key": "$$x", "end": "1"}', **FORM)
    (found,) = requests(config, [person(1, x=value, key=key)], CONTENT)
    assert form_fields(found) == [("k" + key, value), ("end", "1")]


# What the reader of mail takes as it is: it would make line breaks of other characters.
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])))
def test_no_value_gets_out_of_its_part(value: str) -> None:
    (found,) = requests(
        provider('{"x": "$$x", "end": "1"}', **MULTIPART),
        [person(1, x=f'{value}\r\n--espalier"; name="y"')],
        CONTENT,
    )
    fields = [("x", f'{value}\r\n--espalier"; name="y"'), ("end", "1")]
    assert multipart_fields(found) == fields


def test_a_form_carries_a_batch() -> None:
    template = """{"to": [{"$each": "$$To"}], "html": "$$HTML",
      "vars": {"$json": {"$each": {"$$To": {"mid": "$$MessageID"}}}}}"""
    config = provider(template, batch=Batch(max_messages=2, group=True), **FORM)
    first, second = requests(config, [person(i) for i in range(3)], CONTENT)
    assert form_fields(first) == [
        ("to", "p0@example.com"),
        ("to", "p1@example.com"),
        ("html", "<p>é</p>"),
        ("vars", '{"p0@example.com":{"mid":"mid-0"},"p1@example.com":{"mid":"mid-1"}}'),
    ]
    assert form_fields(second)[0] == ("to", "p2@example.com")


@pytest.mark.parametrize("encoding", [FORM, MULTIPART])
def test_max_bytes_counts_what_is_sent(encoding: dict[str, Any]) -> None:
    batch = Batch(max_messages=100, max_bytes=1024, group=True)
    config = provider('{"x": [{"$each": "$$x"}]}', batch=batch, **encoding)
    outcomes = list(renderer(config).render([person(i, x="<>é" * 9) for i in range(50)]))
    sizes = [len(body(each)) for each in outcomes if isinstance(each, RenderedRequest)]
    assert len(sizes) == len(outcomes) > 1
    assert all(1024 - 300 < size <= 1024 for size in sizes[:-1])


def test_a_content_type_of_the_providers_own_stands_alone() -> None:
    own = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    found = sent('{"a": "$$x"}', headers=own, **FORM)
    assert dict(found.request.headers) == own
