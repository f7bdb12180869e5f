"""Good configurations of providers, for the tests of the rules to spoil."""

from dataclasses import replace
from typing import Any

from domain.provider import (
    BasicAuthentication,
    Header,
    Limits,
    PreferenceCenter,
    PreferenceCenterKind,
    ProviderConfig,
    QueryParameter,
    RequestType,
)

MESSAGE = """{
  "to": "$$To", "subject": "$$Subject", "name": "$$FromName", "from": "$$FromAddress",
  "html": "$$HTML", "mid": "$$MessageID"
}"""

POST = ProviderConfig(
    nickname="acme",
    request_type=RequestType.POST,
    http_endpoint="https://api.example.com/v1/send",
    parameters=MESSAGE,
)
GET = ProviderConfig(
    nickname="acme-get",
    request_type=RequestType.GET,
    http_endpoint="https://api.example.com/v1/send?account=7",
    query_parameters=tuple(
        QueryParameter(name=name.lower(), value=f"$${name}")
        for name in ("To", "Subject", "FromName", "FromAddress", "MessageID")
    ),
)
BASIC = BasicAuthentication(username="sara", password="opens nothing")


def header(name: str = "X-Key", value: str = "v", *, secret: bool = False) -> Header:
    return Header(name=name, value=value, secret=secret)


def post(**changes: Any) -> ProviderConfig:
    return replace(POST, **changes)


def limits(**changes: Any) -> ProviderConfig:
    return replace(POST, limits=replace(Limits(), **changes))


def center(kind: str, url: str = "") -> ProviderConfig:
    kind_of = PreferenceCenterKind(kind)
    return replace(POST, preference_center=PreferenceCenter(kind=kind_of, custom_url=url))
