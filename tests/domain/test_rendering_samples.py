"""The three sample templates of the page, as they stand there, against whole payloads."""

from dataclasses import replace
from typing import Any

from domain.campaign import JsonValue, Recipient
from domain.provider import Batch
from domain.template import inspect
from tests.domain.rendering_samples import CONTENT, SAMPLES, payloads, person, provider, requests

ONE_MESSAGE = provider((SAMPLES / "one_message.jsonc").read_text())
TWO_PROTOTYPES = provider(
    (SAMPLES / "two_prototypes.jsonc").read_text(), batch=Batch(max_messages=2)
)
CUSTOM = provider(
    (SAMPLES / "custom_replacements.jsonc").read_text(), batch=Batch(max_messages=1000)
)

HTML = "<html><body>Hello Sara, enjoy your exclusive 20% discount today!</body></html>"


def test_one_message() -> None:
    content = replace(
        CONTENT, reply_to="help@acmestore.com", plaintext="Hello $$name", amp_html="⚡"
    )
    variables: dict[str, JsonValue] = {
        "plan": "gold",
        "points": 120.0,
        "tags": ["a", "b"],
        "since": None,
    }
    messages = [
        (
            3,
            Recipient(
                "sara@example.com", "Sara", {"userid": 9021.0, "TemplateVariables": variables}
            ),
        )
    ]
    copies = {"cc": ["a@acmestore.com", "b@acmestore.com"], "bcc": ["archive@acmestore.com"]}

    assert inspect(ONE_MESSAGE) == ([], [])
    assert payloads(ONE_MESSAGE, messages, content, **copies) == [
        {
            "peid": "1202159255273620968",
            "tmid": "1202159255273620968",
            "cid": "c-7",
            "fromName": "Acme Deals",
            "fromAddress": "deals@acmestore.com",
            "to": "sara@example.com",
            "cc": "a@acmestore.com,b@acmestore.com",
            "bcc": "archive@acmestore.com",
            "mid": "mid-3",
            "uid": 9021,
            "variables": {"plan": "gold", "points": 120, "tags": ["a", "b"], "since": None},
            "typeB": HTML,
            "plaintext": "Hello Sara",
            "amp": "⚡",
            "replyTo": "help@acmestore.com",
            "tid": "Your 20% Discount Awaits!",
        }
    ]


def of_two_prototypes(seq: int, ordinal: int, name: str) -> dict[str, Any]:
    return {
        "seq": seq,
        "cid": "c-7",
        "type": "Acme Deals",
        "typeA": "deals@acmestore.com",
        "to": f"p{ordinal}@example.com",
        "cc": "",
        "bcc": "",
        "mid": f"mid-{ordinal}",
        "uid": f"user_{ordinal}",
        "typeB": HTML.replace("Sara", name),
        "plaintext": "",
        "amp": "",
        "replyTo": "",
        "tid": "Your 20% Discount Awaits!",
    }


def test_two_prototypes() -> None:
    messages = [
        person(4, "Sara", userid="user_4"),
        person(7, "Jörg", userid="user_7"),
        person(9, '"Zoë"', userid="user_9"),
    ]
    whole = {"peid": "1202159255273620968", "tmid": "1202159255273620968"}

    assert inspect(TWO_PROTOTYPES) == ([], [])
    assert payloads(TWO_PROTOTYPES, messages) == [
        {
            **whole,
            "msgs": [of_two_prototypes(1, 4, "Sara"), of_two_prototypes(2, 7, "Jörg")],
        },
        {**whole, "msgs": [of_two_prototypes(1, 9, '"Zoë"')]},
    ]


def test_two_prototypes_go_on_counting() -> None:
    config = replace(TWO_PROTOTYPES, batch=Batch(max_messages=1000))
    messages = [person(i, "Sara", userid="u") for i in range(1500)]
    counts = [[m["seq"] for m in body["msgs"]] for body in payloads(config, messages)]
    assert counts == [list(range(1, 1001)), list(range(1, 501))]


def test_custom_replacements() -> None:
    content = replace(CONTENT, replacements={"DiscountPercentage": 20, "userID": "nobody"})
    messages = [(0, Recipient("sara@example.com", "Sara", {"userID": "user_9021"}))]

    violations, advice = inspect(CUSTOM)
    assert violations == []
    assert [found.message for found in advice] == [
        "`$$DiscountPercentage` in discountPercentage (line 3, column 25) goes out as it stands, "
        "since nothing is replaced there"
    ]
    assert payloads(CUSTOM, messages, content) == [
        {
            "cid": "432",
            "discountPercentage": "$$DiscountPercentage",
            "msgs": [
                {
                    "from": "Acme Deals",
                    "senderaddr": "deals@acmestore.com",
                    "to": "sara@example.com",
                    "mid": "mid-0",
                    "name": "Sara",
                    "uid": "user_9021",
                    "content": HTML,
                    "heading": "Your 20% Discount Awaits!",
                }
            ],
        }
    ]


def test_what_goes_out_is_strict_and_compact_json() -> None:
    (request,) = requests(CUSTOM, [person(1, "Zoë\n", userID=1.5)])
    assert (
        request.request.body
        == (
            '{"cid":"432","discountPercentage":"$$DiscountPercentage","msgs":[{"from":"Acme Deals",'
            '"senderaddr":"deals@acmestore.com","to":"p1@example.com","mid":"mid-1","name":"Zoë\\n",'
            '"uid":1.5,"content":"<html><body>Hello Zoë\\n, enjoy your exclusive 20% discount '
            'today!</body></html>","heading":"Your 20% Discount Awaits!"}]}'
        ).encode()
    )
