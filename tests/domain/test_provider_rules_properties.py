"""The rules of providers over any configuration at all."""

from hypothesis import given

from domain.errors import Advice, Violation
from domain.provider import ProviderConfig
from domain.provider_rules import check
from domain.provider_secrets import SecretValues, with_secret_values
from tests.domain.provider_strategies import configs

SECRET = 'hunter2$$To\n"{hunter2}'
# More of each than a configuration has places.
VALUES = SecretValues(
    password=SECRET,
    headers=(SECRET,) * 9,
    secret_access_key=SECRET,
    secrets=(SECRET,) * 9,
    signatures=((SECRET,),) * 9,
)


@given(configs())
def test_whatever_is_wrong_is_told_and_nothing_breaks(config: ProviderConfig) -> None:
    assert all(each.field and each.reason and each.message for each in found(config))


@given(configs())
def test_no_sentence_shows_a_secret(config: ProviderConfig) -> None:
    told = found(with_secret_values(config, VALUES))
    assert all("hunter2" not in each.message for each in told)


def found(config: ProviderConfig) -> list[Violation | Advice]:
    violations, advice = check(config)
    return [*violations, *advice]
