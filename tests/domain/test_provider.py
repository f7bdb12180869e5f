"""An earlier configuration of a provider, with the secrets of the present one."""

from dataclasses import replace

from domain.provider import BasicAuthentication, with_secrets_of
from tests.domain.provider_samples import BASIC, header, post

OLD = BasicAuthentication(username="old", password="old")


def test_the_present_secrets_stand_in_the_places_of_the_old_ones() -> None:
    then = post(
        http_endpoint="https://old.example/",
        basic=OLD,
        headers=(header("X-Key", "old", secret=True), header("X-List", "old")),
    )
    present = post(
        basic=BASIC,
        headers=(header("x-key", "new", secret=True), header("X-List", "new")),
    )
    assert with_secrets_of(present, then) == replace(
        then,
        basic=BASIC,
        headers=(header("x-key", "new", secret=True), header("X-List", "old")),
    )


def test_a_secret_that_is_gone_stays_what_it_was() -> None:
    then = post(headers=(header("X-Key", "old", secret=True),))
    assert with_secrets_of(post(), then) == then


def test_a_header_that_was_no_secret_is_not_filled_with_one() -> None:
    then = post(headers=(header("X-Key", "open"),))
    present = post(headers=(header("X-Key", "secret", secret=True),))
    assert with_secrets_of(present, then) == then


def test_no_authentication_is_added_where_there_was_none() -> None:
    assert with_secrets_of(post(basic=BASIC), post()) == post()
    assert with_secrets_of(post(), post(basic=OLD)).basic is None
