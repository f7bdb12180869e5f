"""The grammar of placeholders, and what values become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaign import JsonValue, Recipient
from domain.replacements import (
    SYSTEM_NAMES,
    Part,
    Placeholder,
    as_json,
    as_text,
    check,
    missing,
    own_value,
    parts,
    placeholders,
    system_name_like,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("$$To", (Placeholder("To"),)),
        ("$$Token", (Placeholder("Token"),)),
        ("$$To ken", (Placeholder("To"), " ken")),
        ("a$$b$$c", ("a", Placeholder("b"), Placeholder("c"))),
        ("$$user_ID_2!", (Placeholder("user_ID_2"), "!")),
        ("$$_", (Placeholder("_"),)),
        ("$$5", ("$$5",)),
        ("$$", ("$$",)),
        ("$$ To", ("$$ To",)),
        ("$To", ("$To",)),
        ("$$$To", ("$", Placeholder("To"))),
        ("$$$$To", ("$$", Placeholder("To"))),
        ("$$Toé", (Placeholder("To"), "é")),
        ("$$é", ("$$é",)),
        ("$$a-b", (Placeholder("a"), "-b")),
        ("$$a\n$$b", (Placeholder("a"), "\n", Placeholder("b"))),
    ],
)
def test_a_placeholder_is_two_dollars_and_the_longest_name(
    text: str, expected: tuple[Part, ...]
) -> None:
    assert parts(text) == expected
    assert list(placeholders(text)) == [p.name for p in expected if isinstance(p, Placeholder)]


@given(st.text(alphabet="$aZ_09 é"))
def test_the_parts_together_are_the_text(text: str) -> None:
    assert "".join(map(str, parts(text))) == text


@pytest.mark.parametrize(
    ("value", "text", "json"),
    [
        ("Sara", "Sara", b'"Sara"'),
        ("", "", b'""'),
        ('a "quote"\n', 'a "quote"\n', b'"a \\"quote\\"\\n"'),
        (None, "", b"null"),
        (True, "true", b"true"),
        (False, "false", b"false"),
        (0, "0", b"0"),
        (-7, "-7", b"-7"),
        (2**64 - 1, "18446744073709551615", b"18446744073709551615"),
        (3.0, "3", b"3"),
        (-0.0, "0", b"0"),
        (0.1, "0.1", b"0.1"),
        (-2.5, "-2.5", b"-2.5"),
        (9007199254740992.0, "9007199254740992", b"9007199254740992"),
        (1e300, "1e+300", b"1e+300"),
        ([], "[]", b"[]"),
        ({}, "{}", b"{}"),
        ([1.0, "a", None, [True]], '[1,"a",null,[true]]', b'[1,"a",null,[true]]'),
        ({"b": 2.0, "a": {"c": "é"}}, '{"b":2,"a":{"c":"é"}}', '{"b":2,"a":{"c":"é"}}'.encode()),
    ],
)
def test_a_value_becomes_text_or_keeps_its_type(value: JsonValue, text: str, json: bytes) -> None:
    assert as_text(value) == text
    assert as_json(value) == json


@pytest.mark.parametrize(
    ("recipient", "key", "value"),
    [
        (Recipient("a@x", "Sara", {"name": "S"}), "name", "S"),
        (Recipient("a@x", "Sara", {"name": ""}), "name", ""),
        (Recipient("a@x", "Sara", {"name": None}), "name", None),
        (Recipient("a@x", "Sara"), "name", "Sara"),
        (Recipient("a@x", ""), "name", "the campaign's"),
        (Recipient("a@x", "Sara"), "Name", "the campaign's"),
        (Recipient("a@x", "Sara", {"city": "Pune"}), "city", "Pune"),
        (Recipient("a@x", "Sara", {"City": "Pune"}), "city", "the campaign's"),
    ],
)
def test_a_recipients_own_value_comes_first(
    recipient: Recipient, key: str, value: JsonValue
) -> None:
    assert own_value(recipient, key, "the campaign's") == value


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["userID", "x"], "`userid` is not given; `userID` is"),
        (["x"], "`userid` is not given, neither with the recipient nor with the campaign"),
        ([], "`userid` is not given, neither with the recipient nor with the campaign"),
    ],
)
def test_a_missing_key_is_named_with_the_one_that_differs_only_in_case(
    given: list[str], sentence: str
) -> None:
    assert missing("userid", given) == sentence


@pytest.mark.parametrize(
    ("name", "like"), [("html", "HTML"), ("CC", "cc"), ("messageId", "MessageID"), ("To", None)]
)
def test_a_name_in_the_wrong_case_is_recognised(name: str, like: str | None) -> None:
    assert system_name_like(name) == like


@pytest.mark.parametrize("name", sorted(SYSTEM_NAMES))
def test_a_system_name_cannot_be_a_custom_key(name: str) -> None:
    (violation,) = check({"ok": "x", name: "x"}, "recipients[17].replacements")
    assert violation.field == f"recipients[17].replacements.{name}"
    assert violation.reason == "SYSTEM_NAME"
    assert violation.message == (
        f"the service itself gives `$${name}` its value; choose another key"
    )


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -(2**63) - 1, 2**64, [[float("nan")]], {"a": 2**70}]
)
def test_a_number_that_json_cannot_hold_is_refused(value: JsonValue) -> None:
    (violation,) = check({"n": value}, "replacements")
    assert (violation.field, violation.reason) == ("replacements.n", "NUMBER_NOT_JSON")
    assert "send it as a string" in violation.message


def test_other_replacements_have_no_fault() -> None:
    values: dict[str, JsonValue] = {"to": 1, "user-id": None, "": [2.5, {"cc": True}], "x": "$$To"}
    assert check(values, "replacements") == []
