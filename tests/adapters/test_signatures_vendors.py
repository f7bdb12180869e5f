import base64
import hashlib
from urllib.parse import urlencode

import orjson
import pytest

from domain.webhook_mapping import Signature, SignatureScheme
from domain.webhook_request import WebhookRequest
from tests.adapters.signed_requests import URL, Desk, base64_hmac, post

KEY, NEW_KEY = "mandrill-key", "mandrill-key-2"


class TestMandrill:
    signature = Signature(scheme=SignatureScheme.MANDRILL, secrets=(KEY,))
    events = orjson.dumps([{"event": "send", "msg": {"email": "a+b@example.com"}, "x": "ü"}])

    def request(
        self,
        *,
        key: str = KEY,
        url: str = URL,
        called: str = URL,
        events: bytes | None = None,
        more: dict[str, str] | None = None,
    ) -> WebhookRequest:
        fields = {"mandrill_events": (self.events if events is None else events).decode()}
        fields |= more or {}
        signed = url + "".join(name + fields[name] for name in sorted(fields))
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-mandrill-signature": base64_hmac(key.encode(), signed.encode(), "sha1"),
        }
        return post(urlencode(fields).encode(), headers, url=called)

    async def test_it_holds_over_the_url_and_the_sorted_fields(self) -> None:
        assert await Desk().holds(self.signature, self.request())
        more = {"zone": "b", "a": "", "B": "c d&e=f"}
        assert await Desk().holds(self.signature, self.request(more=more))

    async def test_the_url_can_be_said_where_a_proxy_hides_it(self) -> None:
        url = "https://user:pw@hooks.example.com/mandrill?a=1"
        configured = Signature(scheme=SignatureScheme.MANDRILL, secrets=(KEY,), url=url)
        assert await Desk().holds(configured, self.request(url=url))
        assert not await Desk().holds(self.signature, self.request(url=url))

    async def test_another_key_url_or_field_is_refused(self) -> None:
        desk = Desk()
        assert not await desk.holds(self.signature, self.request(key="other"))
        assert not await desk.holds(self.signature, self.request(called=URL + "/"))
        request = self.request()
        changed = post(request.body + b"&extra=1", request.headers)
        assert not await desk.holds(self.signature, changed)

    async def test_while_a_key_is_changed_both_hold(self) -> None:
        both = Signature(scheme=SignatureScheme.MANDRILL, secrets=(KEY, NEW_KEY))
        assert await Desk().holds(both, self.request())
        assert await Desk().holds(both, self.request(key=NEW_KEY))

    async def test_the_test_before_there_is_a_key_may_say_nothing(self) -> None:
        test_key = "test-webhook"
        desk = Desk()
        assert await desk.holds(self.signature, self.request(key=test_key, events=b"[]"))
        assert not await desk.holds(self.signature, self.request(key=test_key))
        more = {"mandrill_event": "1"}
        request = self.request(key=test_key, events=b"[]", more=more)
        assert not await desk.holds(self.signature, request)

    @pytest.mark.parametrize("given", ["", "!", "AAAA", "ü"])
    async def test_what_is_no_signature_is_refused(self, given: str) -> None:
        request = self.request()
        headers = {**request.headers, "x-mandrill-signature": given}
        assert not await Desk().holds(self.signature, post(request.body, headers))

    async def test_a_body_that_is_no_form_is_refused(self) -> None:
        request = self.request()
        assert not await Desk().holds(self.signature, post(b"", request.headers))
        json = {**request.headers, "content-type": "application/json"}
        assert not await Desk().holds(self.signature, post(request.body, json))


class TestUnisender:
    signature = Signature(scheme=SignatureScheme.UNISENDER, secrets=("api-key",))
    # Blanks and an escaped slash: written again by anybody, it would be another text.
    template = (
        b'{"auth": "%b",\n "events_by_user":[{"user_id":1,"events":[{"event_data":'
        b'{"url":"http:\\/\\/example.com","email":"a@example.com"}}]}]}'
    )

    def body(self, key: bytes = b"api-key", template: bytes | None = None) -> bytes:
        text = template or self.template
        return text % hashlib.md5(text % key).hexdigest().encode()  # noqa: S324 - theirs.

    async def test_it_holds_over_the_text_as_it_came(self) -> None:
        assert await Desk().holds(self.signature, post(self.body()))
        assert not await Desk().holds(self.signature, post(self.body() + b"\n"))
        again = orjson.dumps(orjson.loads(self.body()))
        assert not await Desk().holds(self.signature, post(again))

    async def test_the_digest_may_be_in_capitals(self) -> None:
        digest = orjson.loads(self.body())["auth"]
        body = self.template % digest.upper().encode()
        assert await Desk().holds(self.signature, post(body))

    async def test_another_key_is_refused_unless_it_is_given_too(self) -> None:
        other = post(self.body(b"next-key"))
        assert not await Desk().holds(self.signature, other)
        both = Signature(scheme=SignatureScheme.UNISENDER, secrets=("api-key", "next-key"))
        assert await Desk().holds(both, other)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"{}",
            b'{"auth":null}',
            b'{"auth":"short"}',
            b'{"auth":"00000000000000000000000000000000"}',
            b'{"auth":"00000000000000000000000000000000"',
        ],
    )
    async def test_anything_else_is_refused(self, body: bytes) -> None:
        assert not await Desk().holds(self.signature, post(body))

    async def test_where_auth_stands_twice_nobody_can_say_what_was_replaced(self) -> None:
        template = b'{"auth":"%b","x":{"auth":"00000000000000000000000000000000"}}'
        assert not await Desk().holds(self.signature, post(self.body(template=template)))

    async def test_auth_within_something_else_is_not_the_signature(self) -> None:
        template = b'{"x":{"auth":"%b"}}'
        assert not await Desk().holds(self.signature, post(self.body(template=template)))


def basic(credentials: bytes, scheme: str = "Basic") -> dict[str, str]:
    return {"authorization": f"{scheme} {base64.b64encode(credentials).decode()}"}


class TestBasic:
    signature = Signature(
        scheme=SignatureScheme.BASIC, secrets=("hooks:p:ss wörd", "hooks:the next one")
    )

    @pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
    async def test_each_of_several_credentials_holds(self, scheme: str) -> None:
        for credentials in self.signature.secrets:
            headers = basic(credentials.encode(), scheme)
            assert await Desk().holds(self.signature, post(b"", headers))

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": ""},
            {"authorization": "Basic"},
            {"authorization": "Basic !"},
            {"authorization": "Basic ü"},
            {"authorization": "Basic aG9va3M="},
            {"authorization": "Bearer hooks:the next one"},
            {"authorization": "hooks:the next one"},
            basic(b"hooks:"),
            basic(b"hooks:the next on"),
            basic(b"hooks:the next one "),
            basic(b"HOOKS:the next one"),
            basic(b"hooks:the next one", "Bearer"),
            basic(b"\xff\xfe"),
        ],
    )
    async def test_anything_else_is_refused(self, headers: dict[str, str]) -> None:
        assert not await Desk().holds(self.signature, post(b"", headers))


class TestHeaderToken:
    signature = Signature(
        scheme=SignatureScheme.HEADER_TOKEN,
        secrets=("t0ken", "next"),
        header="Authorization",
        prefix="Bearer ",
    )

    @pytest.mark.parametrize("token", ["t0ken", "next"])
    async def test_each_of_several_tokens_holds(self, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        assert await Desk().holds(self.signature, post(b"", headers))

    @pytest.mark.parametrize(
        "value", ["", "Bearer ", "Bearer t0ke", "Bearer t0ken2", "t0ken", "bearer t0ken", "ü"]
    )
    async def test_anything_else_is_refused(self, value: str) -> None:
        assert not await Desk().holds(self.signature, post(b"", {"authorization": value}))

    async def test_it_can_stand_in_the_query(self) -> None:
        in_query = Signature(
            scheme=SignatureScheme.HEADER_TOKEN, secrets=("t0ken",), signature="query.key"
        )
        assert await Desk().holds(in_query, post(b"", query={"key": "t0ken"}))
        assert not await Desk().holds(in_query, post(b"", query={"key": "other"}))
        assert not await Desk().holds(in_query, post(b""))

    async def test_an_empty_token_is_none(self) -> None:
        empty = Signature(scheme=SignatureScheme.HEADER_TOKEN, secrets=("",), header="x-token")
        assert not await Desk().holds(empty, post(b"", {"x-token": ""}))
        assert not await Desk().holds(empty, post(b""))
