from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from entrypoints.cli.failures import EXIT_INVALID, Failure
from entrypoints.cli.provider_file import FaultyFile, ProviderFile, read_provider_file
from espalier.v1 import provider_pb2

_FULL = """\
nickname: acme
request_type: post
http_endpoint: https://esp.example/send
authentication:
  basic:
    username: api
    password: ${ESP_PASSWORD}
headers:
  - name: X-Key
    value: ${ESP_KEY}
    secret: yes
  - name: X-Version
    value: 3
parameters: |
  {"to": "$$To"} // the template
batch:
  max_messages: 500
default_from_name: ${NOT_A_SECRET}
preference_center: {kind: NONE}
limits:
  max_requests_per_second: 2.5
  timeout: 1500ms
idempotency_key:
  disabled: true
"""


def _read(tmp_path: Path, text: str, **environment: str) -> ProviderFile:
    path = tmp_path / "esp.yaml"
    path.write_text(text, encoding="utf-8")
    return read_provider_file(path, environment)


def test_every_kind_of_field_is_read(tmp_path: Path) -> None:
    found = _read(tmp_path, _FULL, ESP_PASSWORD="p", ESP_KEY="k").provider
    assert found == provider_pb2.Provider(
        nickname="acme",
        request_type=provider_pb2.REQUEST_TYPE_POST,
        http_endpoint="https://esp.example/send",
        authentication=provider_pb2.Authentication(
            basic=provider_pb2.BasicAuthentication(username="api", password="p")
        ),
        headers=[
            provider_pb2.Header(name="X-Key", value="k", secret=True),
            provider_pb2.Header(name="X-Version", value="3"),
        ],
        parameters='{"to": "$$To"} // the template\n',
        batch=provider_pb2.Batch(max_messages=500),
        default_from_name="${NOT_A_SECRET}",
        preference_center=provider_pb2.PreferenceCenter(
            kind=provider_pb2.PREFERENCE_CENTER_KIND_NONE
        ),
        limits=provider_pb2.Limits(
            max_requests_per_second=2.5, timeout=Duration(seconds=1, nanos=500_000_000)
        ),
        idempotency_key=provider_pb2.IdempotencyKey(disabled=True),
    )


_ESP = """\
nickname: ses
authentication:
  aws_signature:
    {region: eu-west-1, service: ses, access_key_id: "${AWS_ID}", secret_access_key: "${AWS_KEY}"}
secrets:
  - {name: key, value: "${ESP_KEY}"}
body_encoding: FORM
empty_values: OMIT
stored_template: true
batch: {max_messages: 50, max_addresses: 100, group: true}
answer:
  success: body.ok
  rules:
    - {statuses: [420, 421], when: "body.code == '7'", outcome: RETRY}
  items: {list: body.results, alignment: KEY, accepted: "item.ok", unlisted: REFUSED}
  waits: [{at: 'headers."x-reset"', unit: EPOCH}]
webhook:
  format: JSON_LINES
  type: event.type
  types:
    - {pattern: "bounce.*", type: HARD_BOUNCE}
  timestamp_unit: ISO
  signatures:
    - scheme: HMAC
      secrets: ["${OLD_SECRET}", "${NEW_SECRET}"]
      signed: [{at: 'headers.ts'}, {literal: "."}, {body: true}]
      tolerance: 5m
    - scheme: SNS
      topics: [arn:aws:sns:eu-west-1:1:mail]
  answers: {bad_signature: 403}
  keep_raw: 0s
"""


def test_all_that_describes_an_esp_is_read_and_its_secrets_come_from_the_environment(
    tmp_path: Path,
) -> None:
    environment = {
        "AWS_ID": "AKIA",
        "AWS_KEY": "aws key",
        "ESP_KEY": "esp key",
        "OLD_SECRET": "old",
        "NEW_SECRET": "new",
    }
    found = _read(tmp_path, _ESP, **environment).provider
    aws = found.authentication.aws_signature
    assert (aws.access_key_id, aws.secret_access_key) == ("AKIA", "aws key")
    assert list(found.secrets) == [provider_pb2.Secret(name="key", value="esp key")]
    assert found.body_encoding == provider_pb2.BODY_ENCODING_FORM
    assert found.empty_values == provider_pb2.EMPTY_VALUES_OMIT
    assert found.stored_template
    assert found.batch == provider_pb2.Batch(max_messages=50, max_addresses=100, group=True)
    assert found.answer == provider_pb2.AnswerMapping(
        success="body.ok",
        rules=[
            provider_pb2.AnswerRule(
                statuses=[420, 421],
                when="body.code == '7'",
                outcome=provider_pb2.ANSWER_OUTCOME_RETRY,
            )
        ],
        items=provider_pb2.AnswerItems(
            list="body.results",
            alignment=provider_pb2.ALIGNMENT_KEY,
            accepted="item.ok",
            unlisted=provider_pb2.ANSWER_OUTCOME_REFUSED,
        ),
        waits=[provider_pb2.WaitHint(at='headers."x-reset"', unit=provider_pb2.WAIT_UNIT_EPOCH)],
    )
    assert found.webhook == provider_pb2.WebhookMapping(
        format=provider_pb2.WEBHOOK_FORMAT_JSON_LINES,
        type="event.type",
        types=[
            provider_pb2.TypeRule(pattern="bounce.*", type=provider_pb2.WEBHOOK_TYPE_HARD_BOUNCE)
        ],
        timestamp_unit=provider_pb2.TIMESTAMP_UNIT_ISO,
        signatures=[
            provider_pb2.Signature(
                scheme=provider_pb2.SIGNATURE_SCHEME_HMAC,
                secrets=["old", "new"],
                signed=[
                    provider_pb2.SignaturePart(at="headers.ts"),
                    provider_pb2.SignaturePart(literal="."),
                    provider_pb2.SignaturePart(body=True),
                ],
                tolerance=Duration(seconds=300),
            ),
            provider_pb2.Signature(
                scheme=provider_pb2.SIGNATURE_SCHEME_SNS, topics=["arn:aws:sns:eu-west-1:1:mail"]
            ),
        ],
        answers=provider_pb2.WebhookAnswers(bad_signature=403),
        keep_raw=Duration(),
    )


def test_only_the_secret_of_a_signature_is_taken_from_the_environment(tmp_path: Path) -> None:
    text = "webhook: {signatures: [{scheme: SNS, topics: ['${TOPIC}']}]}\n"
    assert list(_read(tmp_path, text).provider.webhook.signatures[0].topics) == ["${TOPIC}"]


def test_a_message_without_fields_is_chosen_by_its_name_alone(tmp_path: Path) -> None:
    found = _read(tmp_path, "authentication:\n  none:\n").provider
    assert found.authentication.WhichOneof("method") == "none"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("nickname: a\nnicname: b\n", 2, "did you mean `nickname`?"),
        ("nickname: a\nnickname: b\n", 2, "provider.nickname: stands here again; keep one"),
        ("nickname: a\nrequest_type: PUT\n", 2, "must be one of GET, POST"),
        ("headers:\n  name: X\n", 2, "provider.headers: must be a list"),
        ("headers:\n  - X-Key\n", 2, "provider.headers[0]: must be a mapping"),
        ("batch:\n  max_messages: many\n", 2, "must be a whole number"),
        ("batch:\n  max_messages: 3000000000\n", 2, "too large"),
        ("limits:\n  max_requests_per_second: fast\n", 2, "must be a number"),
        ("limits:\n  timeout: 30\n", 2, "such as 30s or 500ms"),
        ("idempotency_key:\n  disabled: maybe\n", 2, "must be true or false"),
        ("nickname:\n  - a\n", 2, "must be a single value"),
        ("answer:\n  rules:\n    - statuses: 429\n", 3, "rules[0].statuses: must be a list"),
        (
            "answer:\n  rules:\n    - statuses:\n      - 429\n      - many\n",
            5,
            "provider.answer.rules[0].statuses[1]: must be a whole number",
        ),
        (
            "webhook:\n  signatures:\n    - secrets:\n      - {a: b}\n",
            4,
            "provider.webhook.signatures[0].secrets[0]: must be a single value",
        ),
        (
            "webhook:\n  signatures:\n    - secrets:\n      - ${NOPE}\n",
            4,
            "wants the environment variable NOPE",
        ),
        ("nickname: [a\n", 2, "not valid YAML"),
        ("- a\n", 1, "provider: must be a mapping"),
        (
            "authentication:\n  basic:\n    password: ${NOPE}\n",
            3,
            "wants the environment variable NOPE, which is not set; export it, or put NOPE=… "
            "before the command",
        ),
        ("? [a, b]\n: 1\n", 1, "there is no such field"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(Failure) as caught:
        _read(tmp_path, text)
    assert caught.value.message.startswith(f"{tmp_path / 'esp.yaml'}:{line}: ")
    assert says in caught.value.message
    assert caught.value.exit_code == EXIT_INVALID


def test_every_fault_of_a_file_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    text = (
        "nickname: acme\nrequest_type: PUT\nnickname: other\nheaders:\n  - X-Key\n"
        "  - {name: X-Id, value: '${NOPE} ${NEITHER}', secret: maybe}\noops: 1\n"
        "limits: {timeout: 30, max_in_flight: 9}\n"
    )
    with pytest.raises(FaultyFile) as caught:
        _read(tmp_path, text)
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [
        (2, "provider.request_type"),
        (3, "provider.nickname"),
        (5, "provider.headers[0]"),
        (6, "provider.headers[1].value"),
        (6, "provider.headers[1].secret"),
        (7, "provider.oops"),
        (8, "provider.limits.timeout"),
    ]
    value = caught.value.faults[3].text
    assert value.startswith("wants the environment variable NOPE, which is not set;")
    assert "; it wants the environment variable NEITHER, which is not set" in value
    assert caught.value.source.provider == provider_pb2.Provider(
        nickname="acme",
        headers=[provider_pb2.Header(), provider_pb2.Header(name="X-Id")],
        limits=provider_pb2.Limits(max_in_flight=9),
    )


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("Bearer ${KEY}", "Bearer k-1"),
        ("${KEY}:${OTHER}/${KEY}", "k-1:${KEY}/k-1"),
        ("$$KEY for $$To, $KEY and $ {KEY}", "$$KEY for $$To, $KEY and $ {KEY}"),
        ("$${KEY}", "$k-1"),
        ("", ""),
    ],
)
def test_variables_are_taken_from_the_environment_and_placeholders_are_left_alone(
    tmp_path: Path, text: str, becomes: str
) -> None:
    file = f"headers:\n  - name: X\n    value: '{text}'\n"
    found = _read(tmp_path, file, KEY="k-1", OTHER="${KEY}").provider
    assert found.headers[0].value == becomes


@pytest.mark.parametrize("text", ["Bearer ${ACME-KEY}", "${}", "p${", "${A", "${A:-b}", "${1}"])
def test_what_looks_like_a_variable_and_is_none_is_never_sent_as_text(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(Failure) as caught:
        _read(tmp_path, f"headers:\n  - name: X\n    value: '{text}'\n", A="a", ACME="b")
    assert caught.value.message == (
        f"{tmp_path / 'esp.yaml'}:3: provider.headers[0].value: has a `${{` that begins no "
        "`${NAME}` of letters, digits and _; put text that holds `${` itself into a variable"
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"nowhere\.yaml cannot be read: No such file"):
        read_provider_file(tmp_path / "nowhere.yaml", {})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("nickname: Köln\n".encode("latin-1"), "is not UTF-8 text: save it as UTF-8."),
        (b"nickname: acme\0\n", "is not valid YAML: it holds the character '\\x00'; remove it."),
        (b"nickname: " + b"[" * 5_000, "is no provider: it is nested too deeply."),
    ],
)
def test_a_file_that_cannot_be_a_provider_is_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "esp.yaml"
    path.write_bytes(content)
    with pytest.raises(Failure) as caught:
        read_provider_file(path, {})
    assert caught.value.message == f"{path} {says}"


def test_an_empty_file_says_what_belongs_in_it(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="is empty: give at least nickname"):
        _read(tmp_path, "# nothing\n")


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("provider.nickname", 1),
        ("provider.headers[1].name", 12),
        ("provider.headers[1].secret", 12),
        ("provider.parameters#/to", 14),
        ("provider.batch.max_bytes", 17),
        ("provider.default_from_address", 1),
        ("etag", 1),
    ],
)
def test_a_violation_is_placed_on_the_nearest_line(tmp_path: Path, field: str, line: int) -> None:
    found = _read(tmp_path, _FULL, ESP_PASSWORD="p", ESP_KEY="k")
    assert found.place(field) == f"{tmp_path / 'esp.yaml'}:{line}: {field}"
