"""An earlier configuration of a provider, with the secrets of the present one."""

from dataclasses import replace

from domain.provider import AwsSignature, BasicAuthentication, Secret, with_secrets_of
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


AWS = AwsSignature(
    region="eu-west-1", service="ses", access_key_id="AKIANEW", secret_access_key="new"
)


def test_the_present_keys_of_an_aws_signature_sign_for_the_earlier_region() -> None:
    then = post(
        aws_signature=replace(
            AWS, region="us-east-1", access_key_id="AKIAOLD", secret_access_key="old"
        )
    )
    assert with_secrets_of(post(aws_signature=AWS), then) == post(
        aws_signature=replace(AWS, region="us-east-1")
    )


def test_no_signature_is_added_where_there_was_none_or_is_none_now() -> None:
    assert with_secrets_of(post(aws_signature=AWS), post()) == post()
    assert with_secrets_of(post(), post(aws_signature=AWS)).aws_signature is None


def test_the_template_s_secrets_have_their_present_values() -> None:
    then = post(secrets=(Secret(name="a", value="old"), Secret(name="gone", value="kept")))
    present = post(secrets=(Secret(name="b", value="other"), Secret(name="a", value="new")))
    assert with_secrets_of(present, then).secrets == (
        Secret(name="a", value="new"),
        Secret(name="gone", value="kept"),
    )
