"""The rules for AWS keys and for named secrets: each refusal with field, reason and sentence."""

from dataclasses import replace

import pytest

from domain.provider import AwsSignature, ProviderConfig, QueryParameter, Secret
from domain.provider_rules import check
from tests.domain.provider_samples import GET, MESSAGE, header, post

AWS = AwsSignature(
    region="eu-west-1", service="ses", access_key_id="AKIA7", secret_access_key="wJalr+/KEY"
)
KEY = Secret(name="key", value="s3cret")
IN_BODY = MESSAGE.replace("{", '{"k": "$$secret.key", "$$secret.key.base64": [],', 1)


def aws(**changes: str) -> ProviderConfig:
    return post(aws_signature=replace(AWS, **changes))


def secret(name: str = "key", value: str = "s3cret") -> ProviderConfig:
    return post(secrets=(Secret(name=name, value=value),))


@pytest.mark.parametrize(
    "config",
    [
        aws(),
        post(secrets=(KEY,)),
        secret(name="_" + "k" * 62),
        post(secrets=tuple(Secret(name=f"k{i}", value="s3cret") for i in range(50))),
        post(secrets=(KEY,), parameters=IN_BODY),
        post(secrets=(KEY,), headers=(header("Authorization", "Bearer $$secret.key"),)),
        post(secrets=(KEY,), http_endpoint="https://api.example.com/$$secret.key/send"),
        replace(
            GET,
            secrets=(KEY,),
            query_parameters=(
                *GET.query_parameters,
                QueryParameter(name="k", value="$$secret.key"),
            ),
        ),
        # In a comment nothing is asked for.
        post(parameters=MESSAGE + "// $$secret.none"),
    ],
)
def test_a_good_configuration_is_taken(config: ProviderConfig) -> None:
    assert check(config)[0] == []


IN_AWS = "authentication.aws_signature"


@pytest.mark.parametrize(
    ("config", "field", "reason", "sentence"),
    [
        (aws(region=""), f"{IN_AWS}.region", "INVALID_NAME", "such as eu-west-1"),
        (aws(region="EU WEST"), f"{IN_AWS}.region", "INVALID_NAME", "lower-case letters"),
        (aws(service="ses/"), f"{IN_AWS}.service", "INVALID_NAME", "such as ses"),
        (aws(access_key_id="AK IA"), f"{IN_AWS}.access_key_id", "INVALID_KEY_ID", "letters"),
        (aws(secret_access_key=""), f"{IN_AWS}.secret_access_key", "REQUIRED", "none is stored"),
        (
            aws(secret_access_key="a\nb"),
            f"{IN_AWS}.secret_access_key",
            "INVALID_CHARACTER",
            "no key of AWS has",
        ),
        (aws(secret_access_key="k" * 1025), f"{IN_AWS}.secret_access_key", "TOO_LONG", "1,024"),
        *(
            (
                replace(aws(), headers=(header(name),)),
                "headers[0].name",
                "AUTHORIZATION_TWICE",
                "remove this header",
            )
            for name in ("Authorization", "x-amz-date", "X-Amz-Security-Token")
        ),
        (secret(name=""), "secrets[0].name", "INVALID_NAME", "1 to 63 letters"),
        (secret(name="7k"), "secrets[0].name", "INVALID_NAME", "not begin with a digit"),
        (secret(name="k" * 64), "secrets[0].name", "INVALID_NAME", "1 to 63 letters"),
        (secret(value=""), "secrets[0].value", "REQUIRED", "none is stored for this name"),
        (secret(value="abc"), "secrets[0].value", "TOO_SHORT", "into the template itself"),
        (secret(value="v" * 8193), "secrets[0].value", "TOO_LONG", "8,192"),
        (post(secrets=(KEY, KEY)), "secrets[1].name", "DUPLICATE_NAME", "of secrets[0] too"),
        (
            post(secrets=tuple(Secret(name=f"k{i}", value="s3cret") for i in range(51))),
            "secrets",
            "TOO_MANY",
            "are 51, and 50 are allowed",
        ),
        (
            post(parameters=IN_BODY),
            "parameters",
            "SECRET_MISSING",
            "names `$$secret.key`, and no entry of secrets has that name; add it",
        ),
        (
            post(headers=(header("X-Key", "$$secret.key", secret=True),)),
            "headers[0].value",
            "SECRET_MISSING",
            "`$$secret.key`",
        ),
        (
            post(http_endpoint="https://api.example.com/$$secret.key"),
            "http_endpoint",
            "SECRET_MISSING",
            "`$$secret.key`",
        ),
    ],
)
def test_a_fault_is_refused_with_its_field_its_reason_and_the_way_out(
    config: ProviderConfig, field: str, reason: str, sentence: str
) -> None:
    (violation,) = check(config)[0]
    assert (violation.field, violation.reason) == (field, reason)
    assert sentence in violation.message
    for value in (AWS.secret_access_key, KEY.value):
        assert value not in violation.message
