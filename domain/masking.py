"""Requests and answers as people may see them: without secrets, and as commands to repeat them.

The names of headers and every value that is not a secret stay as they are.
"""

import shlex
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import replace
from urllib.parse import quote, quote_plus

import orjson

from domain.encodings import form_encoded, quoted_name
from domain.http import HttpRequest
from domain.provider import AwsSignature, ProviderConfig

MASK = "***"

# Shorter ones would be found by chance in many a text, and are no protection to begin with.
SHORTEST_SECRET = 4
# `Bearer` and the like before a token are shorter.
_SHORTEST_WORD = 8
# Linux takes no argument of 128 KiB; what a shell pipes has no such limit.
_LONGEST_ARGUMENT = 100_000
# curl would take these in a URL for a pattern of several URLs.
_PATTERN = frozenset("[]{}\\")
# JSON in a string of JSON in the field of a form.
_DEEPEST_SPELLING = 3


def mask_request(request: HttpRequest, config: ProviderConfig) -> HttpRequest:
    """The request with `***` for whatever in it is secret.

    These are the values of secret headers, a Basic Authorization, the key of an AWS signature, and
    what came of `$$secret.NAME`, wherever it stands. A masked request stays as it is.
    """
    names, aws = _secret_headers(config), request.aws_signature
    texts = sorted(_template_secrets(config), key=len, reverse=True)
    return replace(
        request,
        url=mask_echoes(request.url, texts),
        headers=tuple(
            (name, MASK if name.lower() in names else mask_echoes(value, texts))
            for name, value in request.headers
        ),
        body=_mask_bytes(request.body, texts),
        aws_signature=aws and replace(aws, secret_access_key=MASK),
    )


def mask_answer_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers of an answer; a cookie would let its reader go on as the service."""
    return tuple((name, MASK if name.lower() == "set-cookie" else value) for name, value in headers)


def secrets_sent(request: HttpRequest, config: ProviderConfig) -> frozenset[str]:
    """The texts by which the secrets of a request that was sent can be told in its answer.

    The secret values, their longer words (the token behind `Bearer`) and the password of Basic,
    each also as it is written within JSON, and what the template's secrets are written as.
    """
    secret = _secret_headers(config)
    values = [value for name, value in request.headers if name.lower() in secret]
    words = [word for value in values for word in value.split() if len(word) >= _SHORTEST_WORD]
    password = [config.basic.password] if config.basic is not None else []
    found = {text for text in (*values, *words, *password) if len(text) >= SHORTEST_SECRET}
    spelled = {spelling for text in found for spelling in _spellings(text)}
    return frozenset(spelled | _template_secrets(config))


def mask_echoes(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` for each of `secrets`: some servers repeat what they were sent."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def curl_command(request: HttpRequest) -> str:
    """The request as one line for a POSIX shell that makes curl send the same.

    A body that is too long for an argument comes through a pipe.
    """
    body = None if request.body is None else request.body.decode(errors="replace")
    words = ["curl", *_flags(request.url), *_signing(request.aws_signature)]
    if request.method != "GET":
        words += ["--request", request.method]
    words += [request.url, *_header_arguments(request)]
    if body is None:
        # Without it curl would send a POST that says nothing of its length.
        return shlex.join(words if request.method == "GET" else [*words, "--data-raw", ""])
    if len(body.encode()) <= _LONGEST_ARGUMENT:
        return shlex.join([*words, "--data-raw", body])
    source = shlex.join(["printf", "%s", body])
    return f"{source} | {shlex.join([*words, '--data-binary', '@-'])}"


def _secret_headers(config: ProviderConfig) -> frozenset[str]:
    names = {header.name.lower() for header in config.headers if header.secret}
    return frozenset(names | {"authorization"} if config.basic is not None else names)


def _template_secrets(config: ProviderConfig) -> frozenset[str]:
    """All that a `$$secret.NAME` may be written as in a request, and in an answer that repeats it.

    Templates write texts as they are, in JSON, percent-encoded and in base64, and these in turn.
    """
    found = {each.value for each in config.secrets if len(each.value) >= SHORTEST_SECRET}
    found |= {b64encode(text.encode()).decode() for text in found}
    newest = found
    for _ in range(_DEEPEST_SPELLING):
        newest = {spelling for text in newest for spelling in _written(text)} - found
        found |= newest
    return frozenset(found)


def _written(text: str) -> Iterator[str]:
    yield from _spellings(text)
    # Forms keep other characters than URLs do, and servers others than forms.
    yield from (quote(text, safe=""), quote_plus(text), form_encoded(text), quoted_name(text))


def _mask_bytes(body: bytes | None, secrets: Iterable[str]) -> bytes | None:
    for secret in secrets if body else ():
        body = body and body.replace(secret.encode(), MASK.encode())
    return body


def _spellings(text: str) -> Iterator[str]:
    within_json = orjson.dumps(text)[1:-1].decode()
    # The third is how PHP writes it.
    yield from (text, within_json, within_json.replace("/", "\\/"))


def _flags(url: str) -> Iterator[str]:
    if not _PATTERN.isdisjoint(url):
        yield "--globoff"
    if "/." in url:
        # Else curl would walk the path's `..` by itself.
        yield "--path-as-is"


def _signing(aws: AwsSignature | None) -> Iterator[str]:
    if aws is not None:
        yield from ("--aws-sigv4", f"aws:amz:{aws.region}:{aws.service}")
        yield from ("--user", f"{aws.access_key_id}:{MASK}")


def _header_arguments(request: HttpRequest) -> Iterator[str]:
    for name, value in request.headers:
        # `Name:` alone would tell curl to leave the header out.
        line = f"{name}: {value}" if value and not value.isspace() else f"{name};"
        yield from ("--header", line)
    names = {name.lower() for name, _ in request.headers}
    if request.method != "GET" and "content-type" not in names:
        # curl would say that the body is a form.
        yield from ("--header", "Content-Type:")
