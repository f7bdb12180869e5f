"""What is sealed opens again with the same key, and with no other."""

import pytest
from cryptography.fernet import InvalidToken

from adapters.secret_box import SecretBox

KEY = b"k" * 32


def test_what_was_sealed_opens_after_a_restart() -> None:
    assert SecretBox(KEY).open(SecretBox(KEY).seal(b"opens nothing")) == b"opens nothing"


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(InvalidToken):
        SecretBox(b"x" * 32).open(SecretBox(KEY).seal(b"opens nothing"))


def test_a_changed_seal_does_not_open() -> None:
    sealed = bytearray(SecretBox(KEY).seal(b"opens nothing"))
    sealed[20] = ord("A") if sealed[20] != ord("A") else ord("B")
    with pytest.raises(InvalidToken):
        SecretBox(KEY).open(bytes(sealed))


def test_the_sealed_text_and_the_repr_show_nothing() -> None:
    box = SecretBox(KEY)
    assert b"opens nothing" not in box.seal(b"opens nothing")
    assert repr(box) == "SecretBox()"
