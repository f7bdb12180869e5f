"""Email addresses: which are the same, and which nothing can be sent to."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.address import address_key, fault

addresses = st.one_of(
    st.emails(), st.text(max_size=40), st.builds("{}@{}".format, st.text(), st.text())
)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("sara@example.com", "sara@example.com"),
        ("Sara.Rossi+News@Example.COM", "sara.rossi+news@example.com"),
        ("sara@Bücher.example", "sara@xn--bcher-kva.example"),
        ("sara@BÜCHER.example", "sara@xn--bcher-kva.example"),
        ("sara@XN--BCHER-KVA.example", "sara@xn--bcher-kva.example"),
        ("JÖRG@example.com", "jörg@example.com"),
        ("jo\u0308rg@example.com", "jörg@example.com"),
        # The ideographic full stop is a dot to IDNA.
        ("sara@example\u3002com", "sara@example.com"),
        ('"A B@c"@Example.com', '"a b@c"@example.com'),
        # No domain at all, or none that IDNA knows: such a message is never sent, and has a key.
        ("Sara", "sara"),
        ("sara@Ü\u2028", "sara@ü\u2028"),
    ],
)
def test_two_spellings_of_an_address_share_a_key(address: str, key: str) -> None:
    assert address_key(address) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sara@example.com", "sara+news@example.com"),
        ("sara@example.com", "s.ara@example.com"),
        ("sara@example.com", "sara@example.org"),
        ("jörg@example.com", "jorg@example.com"),
    ],
)
def test_addresses_that_may_be_two_people_have_two_keys(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


@given(addresses)
def test_the_key_of_a_key_is_the_key(address: str) -> None:
    assert address_key(address_key(address)) == address_key(address)


@pytest.mark.parametrize(
    "address",
    [
        "a@b.co",
        "maria.rossi+news@mail.example.co.uk",
        "o'neil@example.com",
        "!#$%&'*+/=?^_`{|}~-@example.com",
        "1@2.com",
        "sara@xn--bcher-kva.example",
        "sara@example.xn--p1ai",
        "sara@bücher.example",
        "用户@例え.jp",
        "jörg@example.com",
        '"a b"@example.com',
        '"a@b"@example.com',
        '"a..b"@example.com',
        r'"a\"b"@example.com',
        "a" * 64 + "@example.com",
        "a@" + "b" * 63 + ".com",
        "a@" + "b." * 124 + "com",
        # A joiner is invisible, and part of how some scripts are written.
        "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc@example.com",
    ],
)
def test_an_address_that_mail_can_reach_has_no_fault(address: str) -> None:
    assert fault(address) is None


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("", "has no @"),
        ("sara", "has no @"),
        ("$$To", "has no @"),
        ("@", "has nothing before the @"),
        ("@example.com", "has nothing before the @"),
        ("sara@", "has nothing after the @"),
        ("sara@localhost", "has a domain without a dot"),
        ("sara@example.com\n", "line break"),
        ("sara@example.com\r\nBcc: tom@example.com", "line break"),
        ("sa\0ra@example.com", "control character"),
        ("\ufeffsara@example.com", "invisible"),
        ("sara\u200b@example.com", "invisible"),
        ("\ud800@example.com", "control character"),
        ("Sara <sara@example.com>", "has a name or < and > around it"),
        ("sara@example.com, tom@example.com", "has more than one @|has a space"),
        ("sara@example.com,tom@example.com", "has more than one @"),
        ("sara@@example.com", "has more than one @"),
        ("sa ra@example.com", "has a space before the @"),
        (" sara@example.com", "has a space before the @"),
        ("sara\u00a0@example.com", "has a space before the @"),
        ("sara@example.com ", "has a space after the @"),
        ("sara@exam ple.com", "has a space after the @"),
        (".sara@example.com", "double quotes"),
        ("sara.@example.com", "double quotes"),
        ("sa..ra@example.com", "double quotes"),
        ("sa;ra@example.com", "double quotes"),
        ('sa"ra@example.com', "double quotes"),
        ('""@example.com', "double quotes"),
        ("sara@[192.0.2.1]", "ESPs deliver to domain names only"),
        ("sara@192.0.2.1", "no valid name"),
        ("sara@exam_ple.com", "no valid name"),
        ("sara@-example.com", "no valid name"),
        ("sara@example-.com", "no valid name"),
        ("sara@example.com.", "no valid name"),
        ("sara@example..com", "no valid name"),
        ("sara@.example.com", "no valid name"),
        ("sara@example.c", "no valid name"),
        ("sara@" + "b" * 64 + ".com", "no valid name"),
        ("sara@bü\u2028cher.example", "has a space after the @"),
        ("sara@\u2764.", "no valid name"),
        ("a" * 65 + "@example.com", "more than 64 bytes before the @"),
        ("ü" * 33 + "@example.com", "more than 64 bytes before the @"),
        ("a@" + "b." * 125 + "com", "longer than 254 bytes"),
        ("a@" + "ü." * 60 + "com", "no valid name"),
    ],
)
def test_an_address_that_mail_cannot_reach_has_its_fault_named(address: str, sentence: str) -> None:
    found = fault(address)
    assert found is not None
    assert re.search(sentence, found)


@given(addresses)
def test_what_has_no_fault_can_break_no_header(address: str) -> None:
    # Whatever passes stays one line, and one address with something on either side of its last @.
    if fault(address) is None:
        assert not set(address) & set("\r\n\0")
        assert all(address.rpartition("@"))


@given(st.emails())
def test_a_plain_address_has_no_fault_and_keeps_its_domain(address: str) -> None:
    assert fault(address) in (None, "has a domain that is no valid name")


@pytest.mark.parametrize(
    "hostile",
    [
        "a" * 64 + "@" + "a-a." * 60_000,
        "a." * 100_000 + "@",
        "ü@" + "ü." * 20_000 + "com",
        '"' + "\\" * 100_000 + "@example.com",
        "<" * 100_000 + "@>",
        "<" + "@" * 100_000,
    ],
    ids=["labels", "dots", "wide labels", "backslashes", "brackets", "ats"],
)
def test_an_address_of_a_hundred_kilobytes_is_refused_without_much_work(hostile: str) -> None:
    assert fault(hostile) is not None
