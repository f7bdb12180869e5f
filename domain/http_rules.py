"""The rules for what becomes part of every HTTP request: the URL, the headers, the credentials."""

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from domain.errors import Advice, Violation
from domain.header_syntax import (
    CONNECTION_HEADERS,
    MAX_VALUE_CHARACTERS,
    is_name,
    unsafe_character,
)
from domain.provider import (
    BasicAuthentication,
    BodyEncoding,
    Header,
    IdempotencyKey,
    ProviderConfig,
    RequestType,
)
from domain.replacements import Placeholder, parts, placeholders

# What servers take in a URL before they answer 414.
MAX_ENDPOINT_CHARACTERS = 8192
MAX_HEADER_NAME_CHARACTERS = 256
MAX_HEADERS = 100
MAX_CREDENTIAL_CHARACTERS = 1024

_URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*")
# Underscores are no part of a host name on the internet, and common within a company.
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
# Whoever is named in a URL of any scheme, and how to get there. Some readers end it at a backslash.
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\\]*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def url_fault(url: str, *, fragment: bool) -> str | None:
    """The first of `url_faults`; None where it is a URL."""
    return next(url_faults(url, fragment=fragment), None)


def url_faults(url: str, *, fragment: bool) -> Iterator[str]:
    """Why `url` is no http(s) URL, a sentence for each fault; `fragment`: whether it may have one.

    Of a host nothing is said where characters are wrong that it may be made of.
    """
    if not url.lower().startswith(("http://", "https://")):
        yield "must start with http:// or https://"
    has_url_characters = _URL_CHARACTERS.fullmatch(url) is not None
    if not has_url_characters:
        yield (
            "holds a character that URLs cannot; percent-encode it in the path and the query, "
            "and write an international host in its xn-- form"
        )
    authority = _AUTHORITY.match(url)
    if authority is not None and "@" in authority[1]:
        yield "holds credentials; remove them and set authentication.basic instead"
    if authority is not None and has_url_characters:
        yield from _host_faults(url)
    if not fragment and "#" in url:
        yield "has a fragment, which is never sent; remove the # and what follows"


def check_endpoint(endpoint: str) -> Iterator[Violation]:
    """Its path and query may hold placeholders; where it goes to is the same for all messages."""
    if len(endpoint) > MAX_ENDPOINT_CHARACTERS:
        message = f"is longer than {MAX_ENDPOINT_CHARACTERS} characters; move data into the body"
        yield Violation(field="http_endpoint", reason="TOO_LONG", message=message)
    name = next(placeholders(_before_path(endpoint)), None)
    if name is not None:
        message = (
            f"cannot hold `$${name}` before its path; nothing is replaced in scheme, host and "
            "port, so give the host itself"
        )
        yield Violation(field="http_endpoint", reason="PLACEHOLDER_NOT_ALLOWED", message=message)
        return
    for fault in url_faults(endpoint, fragment=False):
        yield Violation(field="http_endpoint", reason="INVALID_URL", message=fault)


def check_basic(basic: BasicAuthentication) -> Iterator[Violation]:
    """RFC 7617: no colon in the user name, no control character anywhere."""
    field = "authentication.basic"
    if not basic.username:
        message = "is missing; give the user name, or choose no authentication"
        yield Violation(field=f"{field}.username", reason="REQUIRED", message=message)
    if ":" in basic.username:
        message = "holds a colon, where the password would begin; remove it"
        yield Violation(field=f"{field}.username", reason="INVALID_CHARACTER", message=message)
    if not basic.password:
        message = "is missing, and none is stored; give the password"
        yield Violation(field=f"{field}.password", reason="REQUIRED", message=message)
    for name, value in (("username", basic.username), ("password", basic.password)):
        if _CONTROL.search(value):
            message = "holds a line break or another control character; remove it"
            yield Violation(field=f"{field}.{name}", reason="INVALID_CHARACTER", message=message)
        if len(value) > MAX_CREDENTIAL_CHARACTERS:
            message = f"is longer than {MAX_CREDENTIAL_CHARACTERS} characters"
            yield Violation(field=f"{field}.{name}", reason="TOO_LONG", message=message)


def _before_path(endpoint: str) -> str:
    authority = _AUTHORITY.match(endpoint)
    return endpoint.partition("/")[0] if authority is None else authority[0]


def check_headers(config: ProviderConfig) -> Iterator[Violation]:
    if len(config.headers) > MAX_HEADERS:
        message = f"are more than {MAX_HEADERS}; remove some"
        yield Violation(field="headers", reason="TOO_MANY", message=message)
    first: dict[str, int] = {}
    for i, header in enumerate(config.headers):
        name_fault = _header_name_fault(header.name)
        if name_fault is not None:
            yield Violation(
                field=f"headers[{i}].name", reason="INVALID_HEADER_NAME", message=name_fault
            )
        twin = first.setdefault(header.name.lower(), i)
        if twin != i:
            message = f"is the name of headers[{twin}] too; join both values into one header"
            yield Violation(field=f"headers[{i}].name", reason="DUPLICATE_HEADER", message=message)
        yield from _check_value(header, f"headers[{i}].value")
    if config.basic is not None and "authorization" in first:
        message = (
            "is what authentication.basic sends already; remove this header, or the authentication"
        )
        field = f"headers[{first['authorization']}].name"
        yield Violation(field=field, reason="AUTHORIZATION_TWICE", message=message)
    if config.body_encoding is BodyEncoding.MULTIPART and "content-type" in first:
        message = "is made with each body, since it names what stands between its parts; remove it"
        field = f"headers[{first['content-type']}].name"
        yield Violation(field=field, reason="CONTENT_TYPE_TWICE", message=message)


def check_idempotency_key(key: IdempotencyKey, headers: Iterable[Header]) -> Iterator[Violation]:
    """The header may have any free name; None turns it off, and is always right."""
    if key.header_name is None:
        return
    field = "idempotency_key.header_name"
    name = key.header_name.lower()
    fault = _header_name_fault(key.header_name)
    if fault is None and name in ("authorization", "content-type"):
        fault = "is a header with another meaning; choose another name"
    if fault is not None:
        yield Violation(field=field, reason="INVALID_HEADER_NAME", message=fault)
    for i, header in enumerate(headers):
        if header.name.lower() == name:
            message = (
                f"is the name of headers[{i}] too; remove that header, or rename or disable the "
                "idempotency key"
            )
            yield Violation(field=field, reason="DUPLICATE_HEADER", message=message)


def http_advice(config: ProviderConfig) -> Iterator[Advice]:
    """What works and is probably not meant."""
    if _is_plain_and_remote(config.http_endpoint) and _has_secrets(config):
        message = "sends credentials unencrypted, for anybody on the way to read; use https://"
        yield Advice(field="http_endpoint", reason="CREDENTIALS_UNENCRYPTED", message=message)
    for i, header in enumerate(config.headers):
        if _says_another(config, header):
            form = config.body_encoding is BodyEncoding.FORM
            reason, kind = ("CONTENT_NOT_FORM", "a form") if form else ("CONTENT_NOT_JSON", "JSON")
            message = f"announces another type of content, and the body is {kind}; remove it"
            yield Advice(field=f"headers[{i}].value", reason=reason, message=message)


def _check_value(header: Header, field: str) -> Iterator[Violation]:
    if header.secret and not header.value:
        message = "is secret and missing, and none is stored for this name; give the value"
        yield Violation(field=field, reason="REQUIRED", message=message)
    if len(header.value) > MAX_VALUE_CHARACTERS:
        message = f"is longer than {MAX_VALUE_CHARACTERS} characters"
        yield Violation(field=field, reason="TOO_LONG", message=message)
    literals = (part for part in parts(header.value) if not isinstance(part, Placeholder))
    # The value may be a secret, so the sentence says what is allowed and not what was found.
    if any(unsafe_character(literal) is not None for literal in literals):
        message = (
            "holds a line break or another character that HTTP cannot carry; a header carries "
            "visible ASCII characters, spaces and tabs only"
        )
        yield Violation(field=field, reason="INVALID_HEADER_VALUE", message=message)


def _header_name_fault(name: str) -> str | None:
    if not name:
        return "is missing; give the header a name, or remove it"
    if len(name) > MAX_HEADER_NAME_CHARACTERS:
        return f"is longer than {MAX_HEADER_NAME_CHARACTERS} characters"
    if not is_name(name):
        return "is no header name; use letters, digits and !#$%&'*+-.^_`|~, and no space or colon"
    if name.lower() in CONNECTION_HEADERS:
        return "is a header that every request gets as it needs to be; remove it"
    return None


def _host_faults(url: str) -> Iterator[str]:
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        yield "has a host or a port that is not valid; ports go from 1 to 65535"
        return
    if not split.hostname or not _is_host(split):
        yield "has no valid host; write it as https://api.example.com/send"
    if port == 0:
        yield "has port 0; ports go from 1 to 65535"


def _is_host(split: SplitResult) -> bool:
    host = split.hostname or ""
    if "[" in split.netloc:
        try:
            return ip_address(host).version == 6
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None and ".." not in host


def _is_plain_and_remote(endpoint: str) -> bool:
    if url_fault(endpoint, fragment=True) is not None:
        return False
    split = urlsplit(endpoint)
    return split.scheme == "http" and not _is_loopback(split.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _has_secrets(config: ProviderConfig) -> bool:
    has_key = config.basic is not None or bool(config.secrets)
    return has_key or any(
        header.secret or header.name.lower() == "authorization" for header in config.headers
    )


def _says_another(config: ProviderConfig, header: Header) -> bool:
    """Whether a header says of the body that it is what it is not."""
    if config.request_type is not RequestType.POST or header.name.lower() != "content-type":
        return False
    value = header.value.lower()
    word = {BodyEncoding.JSON: "json", BodyEncoding.FORM: "x-www-form-urlencoded"}
    return word.get(config.body_encoding, "") not in value and "$$" not in value
