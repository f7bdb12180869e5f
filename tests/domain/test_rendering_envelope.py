"""What belongs to a whole request: its headers and its URL."""

from dataclasses import replace

import pytest

from domain.campaign import Content, Recipient
from domain.provider import BasicAuthentication, Batch, QueryParameter, Secret
from domain.rendering import Message, Refusal, Rejection
from tests.domain.rendering_samples import (
    CONTENT,
    payload,
    person,
    provider,
    query_provider,
    renderer,
    requests,
)

ARRAY = '[{"to": "$$To"}]'


def headers_of(
    headers: dict[str, str], message: Message, content: Content = CONTENT
) -> dict[str, str]:
    (request,) = requests(provider('["$$To"]', headers=headers), [message], content)
    return dict(request.request.headers)


def test_static_and_dynamic_headers() -> None:
    content = replace(CONTENT, subject="Hi $$first", from_name="Acme")
    headers = {
        "X-Key": "abc",
        "X-Campaign": "$$CampaignID",
        "X-Meta": "$$MessageID; user=$$user, $$FromName, $$Subject",
        "X-Blank": "$$ReplyToAddress",
        "X-Price": "$$5 $$",
    }
    assert headers_of(headers, person(1, user=7.0, first="Sara"), content) == {
        "X-Key": "abc",
        "X-Campaign": "c-7",
        "X-Meta": "mid-1; user=7, Acme, Hi Sara",
        "X-Blank": "",
        "X-Price": "$$5 $$",
        "Content-Type": "application/json",
    }


def test_a_content_type_of_the_providers_own_stands_alone() -> None:
    found = headers_of({"content-TYPE": "application/vnd.acme+json"}, person(1))
    assert found == {"content-TYPE": "application/vnd.acme+json"}


def test_basic_authentication_becomes_a_header() -> None:
    basic = BasicAuthentication(username="Aladdin", password="öpen:sesame")
    for config in (provider('["$$To"]', basic=basic), query_provider([("t", "$$To")], basic=basic)):
        (request,) = requests(config, [person(1)])
        assert (
            dict(request.request.headers)["Authorization"] == "Basic QWxhZGRpbjrDtnBlbjpzZXNhbWU="
        )


UNSAFE = ["a\r\nX-Evil: 1", "\n", "\r", "\0", "é", "今", "\x7f", "\x1b", "\u2028"]


@pytest.mark.parametrize("value", UNSAFE)
def test_a_value_that_a_header_cannot_carry_rejects_that_message_only(value: str) -> None:
    config = provider(ARRAY, batch=Batch(max_messages=10), headers={"X-User": "id $$user"})
    bad = next(char for char in value if not "\x20" <= char <= "\x7e")
    message = (
        f"header X-User would hold the character {bad!r}; "
        "a header carries visible ASCII characters, spaces and tabs only"
    )
    messages = [person(0, user="u"), person(1, user=value), person(2, user="u")]
    sending = renderer(config)
    rejection, request = sending.render(messages)
    assert rejection == Rejection(1, "HEADER_VALUE_NOT_POSSIBLE", message)
    assert request == requests(config, [messages[0], messages[2]])[0]
    assert sending.refusal(messages[1][1]) == Refusal("HEADER_VALUE_NOT_POSSIBLE", message)
    assert sending.refusal(messages[0][1]) is None


def test_a_name_of_two_lines_rejects_the_message_that_has_it_in_a_header() -> None:
    sending = renderer(provider('["$$To"]', headers={"X-Name": "$$name"}))
    refusal = sending.refusal(Recipient("a@example.com", "Sara\nX-Evil: 1"))
    assert refusal is not None
    assert refusal.reason == "HEADER_VALUE_NOT_POSSIBLE"
    assert sending.refusal(Recipient("a@example.com", "Sara")) is None


def test_a_tab_and_all_visible_ascii_characters_pass() -> None:
    value = "\t" + "".join(map(chr, range(0x20, 0x7F)))
    assert headers_of({"X-User": "$$user"}, person(1, user=value))["X-User"] == value


def test_an_address_that_a_header_cannot_carry_rejects_that_message() -> None:
    sending = renderer(provider('["$$To"]', headers={"X-To": "$$To"}))
    refusal = sending.refusal(Recipient("jörg@example.com"))
    assert refusal is not None
    assert "X-To would hold the character 'ö'" in refusal.message


def test_a_campaigns_own_text_in_a_header_refuses_every_recipient() -> None:
    content = replace(CONTENT, subject="Grüße, $$first")
    sending = renderer(provider('["$$To"]', headers={"X-S": "$$Subject"}), content)
    refusal = sending.refusal(Recipient("a@example.com", "", {"first": "Sara"}))
    assert refusal is not None
    assert refusal.reason == "HEADER_VALUE_NOT_POSSIBLE"
    assert [
        outcome[0] for outcome in sending.render([person(0, first="a"), person(1, first="b")])
    ] == [0, 1]


def test_a_header_that_servers_do_not_take_rejects_that_message_only() -> None:
    config = provider('["$$To"]', headers={"X-User": "id $$user"})
    longest = "u" * (8192 - len("id "))
    rejection, request = renderer(config).render(
        [person(0, user=longest + "u"), person(1, user=longest)]
    )
    message = (
        "header X-User would have 8,193 characters, and may have 8,192; shorten the values in it"
    )
    assert rejection == Rejection(0, "HEADER_TOO_LONG", message)
    assert request == requests(config, [person(1, user=longest)])[0]


@pytest.mark.parametrize(
    ("character", "encoded"), [("x", "x"), (" ", "%20"), ("😀", "%F0%9F%98%80")]
)
def test_a_url_that_servers_do_not_take_rejects_that_message_only(
    character: str, encoded: str
) -> None:
    start = "https://e.example/send?t="
    config = query_provider([("t", "$$t")], http_endpoint="https://e.example/send")
    fill, rest = divmod(65_536 - len(start), len(encoded))
    longest = character * fill + "y" * rest
    sending = renderer(config)
    rejection, _ = sending.render([person(0, t=longest), person(1, t=longest + "y")])
    (request,) = requests(config, [person(0, t=longest)])
    assert request.request.url == start + encoded * fill + "y" * rest
    message = (
        "the URL would have 65,537 bytes, and may have 65,536; "
        "shorten the values in its query, or let the provider use POST"
    )
    assert rejection == Rejection(1, "URL_TOO_LONG", message)
    assert sending.refusal(person(1, t=longest + "y")[1]) == Refusal("URL_TOO_LONG", message)


def test_copies_that_a_header_cannot_carry_reject_all() -> None:
    sending = renderer(provider('["$$To"]', headers={"X-Cc": "$$cc"}))
    outcomes = list(sending.render([person(0), person(1)], cc=["a@x", "ü@x"]))
    assert [outcome[:2] for outcome in outcomes] == [
        (0, "HEADER_VALUE_NOT_POSSIBLE"),
        (1, "HEADER_VALUE_NOT_POSSIBLE"),
    ]
    assert len(list(sending.render([person(0), person(1)], cc=["a@x"]))) == 2


def test_messages_travel_together_only_with_equal_headers() -> None:
    config = provider(
        ARRAY, batch=Batch(max_messages=3), headers={"X-City": "$$city", "X-Key": "k"}
    )
    cities = ["Pune", "Pune", "Köln".replace("ö", "oe"), "Pune", "Pune", "Pune", "Pune", "7"]
    messages = [person(i, city=city) for i, city in enumerate(cities)]
    messages.append(person(8, city=7.0))
    found = requests(config, messages)
    assert [(request.ordinals, request.request.headers[0][1]) for request in found] == [
        ((0, 1), "Pune"),
        ((2,), "Koeln"),
        ((3, 4, 5), "Pune"),
        ((6,), "Pune"),
        ((7, 8), "7"),
    ]


def test_a_get_request_has_a_query_and_no_body() -> None:
    config = query_provider(
        [
            ("to", "$$To"),
            ("from name", "$$FromName <$$FromAddress>"),
            ("s", "$$Subject"),
            ("v", "$$vars"),
            ("n", "$$missing_later"),
            ("fixed", "a&b=c?d/e"),
        ]
    )
    content = replace(
        CONTENT, subject="20 % für $$first & Co", replacements={"missing_later": None}
    )
    message = (1, Recipient("sara+x@example.com", "", {"first": "Zoë&", "vars": {"a": [1.0, "+"]}}))
    (found,) = requests(config, [message], content)
    assert found.ordinals == (1,)
    assert (found.request.method, found.request.body, found.request.headers) == ("GET", None, ())
    assert found.request.url == (
        "https://api.example.com/send?to=sara%2Bx%40example.com"
        "&from%20name=Acme%20Deals%20%3Cdeals%40acmestore.com%3E"
        "&s=20%20%25%20f%C3%BCr%20Zo%C3%AB%26%20%26%20Co"
        "&v=%7B%22a%22%3A%5B1%2C%22%2B%22%5D%7D"
        "&n="
        "&fixed=a%26b%3Dc%3Fd%2Fe"
    )


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://e.example/send", "https://e.example/send?t=a-._~"),
        ("https://e.example/send?", "https://e.example/send?t=a-._~"),
        ("https://e.example/send?k=1", "https://e.example/send?k=1&t=a-._~"),
        ("https://e.example/send?k=1&", "https://e.example/send?k=1&t=a-._~"),
        ("https://e.example", "https://e.example?t=a-._~"),
    ],
)
def test_query_parameters_follow_the_endpoints_own(endpoint: str, url: str) -> None:
    config = query_provider([("t", "$$t")], http_endpoint=endpoint)
    (found,) = requests(config, [person(1, t="a-._~")])
    assert found.request.url == url


def test_an_endpoint_without_placeholders_stays_as_it_is() -> None:
    config = query_provider([], http_endpoint="https://e.example/a%20b?x=$$5&y=ä")
    (found,) = requests(config, [person(1)])
    assert found.request.url == "https://e.example/a%20b?x=$$5&y=ä"


def test_path_and_query_of_an_endpoint_are_filled_in_and_percent_encoded() -> None:
    config = provider(
        '["$$To"]',
        http_endpoint="https://e.example/v3/$$domain/$$secret.path?to=$$To.mailbox&c=$$CampaignID",
        secrets=(Secret(name="path", value="a/b"),),
        query_parameters=(QueryParameter(name="k", value="$$secret.path $$domain"),),
    )
    message = 1, Recipient("p@x.y", "Sara, Ltd", {"domain": "mg/é?&#"})
    (found,) = requests(config, [message])
    assert found.request.url == (
        "https://e.example/v3/mg%2F%C3%A9%3F%26%23/a%2Fb?to=%22Sara%2C%20Ltd%22%20%3Cp%40x.y%3E"
        "&c=c-7&k=a%2Fb%20mg%2F%C3%A9%3F%26%23"
    )


@pytest.mark.parametrize(
    "endpoint", ["https://$$domain/x", "https://e.example:$$domain/x", "$$domain://e.example/x"]
)
def test_nothing_is_replaced_before_the_path(endpoint: str) -> None:
    config = provider('["$$To"]', http_endpoint=endpoint)
    (found,) = requests(config, [person(1, domain="evil.example")])
    assert found.request.url == endpoint


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_never_leads_to_another_path(value: str) -> None:
    sending = renderer(provider('["$$To"]', http_endpoint="https://e.example/v3/$$domain/send?a=."))
    (rejection,) = sending.render([person(1, domain=value)])
    assert rejection[1] == "URL_PATH_NOT_POSSIBLE"
    assert sending.refusal(person(1, domain="...")[1]) is None


def test_secrets_and_mailboxes_in_headers() -> None:
    secrets = (Secret(name="key", value="k-123456"),)
    headers = {"Authorization": "Bearer $$secret.key", "X-To": "$$To.mailbox", "X-S": "$$secret.no"}
    config = provider('["$$To"]', headers=headers, secrets=secrets)
    (found,) = requests(config, [(1, Recipient("p@x.y", "Sara, Ltd"))])
    sent = dict(found.request.headers)
    assert sent["Authorization"] == "Bearer k-123456"
    assert sent["X-To"] == '"Sara, Ltd" <p@x.y>'
    assert sent["X-S"] == "$$secret.no"


def test_a_name_that_a_header_cannot_carry_rejects_its_mailbox() -> None:
    sending = renderer(provider('["$$To"]', headers={"X-To": "$$To.mailbox"}))
    refusal = sending.refusal(Recipient("a@x.y", "Zoë"))
    assert refusal is not None
    assert refusal.reason == "HEADER_VALUE_NOT_POSSIBLE"
    assert sending.refusal(Recipient("a@x.y", "Zoe\r\nX-Evil: 1")) is None


def test_get_requests_come_one_by_one_in_order() -> None:
    config = query_provider([("m", "$$MessageID")])
    outcomes = list(renderer(config).render([person(i) for i in (3, 1, 2)]))
    assert [outcome[0] for outcome in outcomes] == [(3,), (1,), (2,)]


def test_secrets_do_not_show_in_what_is_printed() -> None:
    secrets = (Secret(name="key", value="opens-nothing"),)
    config = provider(
        '["$$To", "$$secret.key"]', headers={"X-Key": "opens-nothing"}, secrets=secrets
    )
    sending = renderer(config)
    (request,) = requests(config, [person(1)])
    assert "opens-nothing" in payload(request)
    assert "opens-nothing" not in repr([sending, request, *vars(sending).values()])
