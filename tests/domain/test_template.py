"""What the templates of a provider must, may and must not hold, and what a person is told of it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from domain.provider import Batch, BodyEncoding, Header, ProviderConfig, QueryParameter, Secret
from domain.template import MAX_FINDINGS, inspect
from tests.domain.provider_samples import GET, MESSAGE, POST, header, post
from tests.domain.rendering_samples import renderer

# The sample message less its closing brace, to add members to.
OPEN = MESSAGE.rstrip("}\n") + ", "


def batched(parameters: str, *headers: Header) -> ProviderConfig:
    return post(parameters=parameters, batch=Batch(max_messages=10), headers=headers)


def without(name: str, config: ProviderConfig = POST) -> ProviderConfig:
    query = tuple(q for q in config.query_parameters if q.value != f"$${name}")
    text = config.parameters.replace(f'"$${name}"', '""')
    return replace(config, parameters=text, query_parameters=query)


def query(*values: str) -> ProviderConfig:
    more = tuple(QueryParameter(name=f"q{i}", value=value) for i, value in enumerate(values))
    return replace(GET, query_parameters=(*GET.query_parameters, *more))


@pytest.mark.parametrize(
    "config",
    [
        POST,
        GET,
        post(parameters=f"[{MESSAGE}]"),
        batched(f"[{MESSAGE}]"),
        batched(f'{{"a": {{"msgs": [{MESSAGE}]}}, "list": [1, 2]}}'),
        batched(f'[{OPEN} "to_too": [{{"email": "$$To"}}]}}]'),
        batched(f'[{OPEN} "seq": 1}}, {OPEN} "seq": 2}}, {OPEN} "seq": 3}}]'),
        batched(f'[{OPEN} "seq": -10}}, {OPEN} "seq": 90}}]'),
        batched(f"[{MESSAGE}, {MESSAGE}]"),
        batched('["$$Subject $$FromName <$$FromAddress> $$To $$MessageID $$HTML"]'),
        replace(without("Subject"), headers=(header("X-Subject", "Re: $$Subject"),)),
        replace(without("Subject", GET), headers=(header("X-Subject", "$$Subject"),)),
        post(headers=(header("X-Campaign", "$$CampaignID/$$userID"),)),
        query("$$CampaignID", "$$cc", "$$user", "a $$5 b"),
    ],
)
def test_a_good_template_has_no_findings(config: ProviderConfig) -> None:
    assert inspect(config) == ([], [])


def violations(config: ProviderConfig) -> list[tuple[str, str, str]]:
    return [(v.field, v.reason, v.message) for v in inspect(config)[0]]


@pytest.mark.parametrize(
    ("parameters", "reason", "message"),
    [
        ("", "JSON_SYNTAX", "the template is empty; give the JSON body of a request"),
        (" \n", "JSON_SYNTAX", "the template is empty; give the JSON body of a request"),
        ("{\n  'a': 1}", "JSON_SYNTAX", "line 2, column 3: expected a key in double quotes"),
        ('{"a": 1, "a": 2}', "JSON_SYNTAX", "line 1, column 10: key 'a' stands here again"),
        ("7", "NOT_OBJECT_OR_ARRAY", "the template must be a JSON object or array"),
        ('"$$To"', "NOT_OBJECT_OR_ARRAY", "the template must be a JSON object or array"),
        ("null", "NOT_OBJECT_OR_ARRAY", "the template must be a JSON object or array"),
    ],
)
@pytest.mark.parametrize("batch", [None, Batch(max_messages=10)])
def test_a_template_that_is_no_payload_is_refused_once(
    parameters: str, reason: str, message: str, batch: Batch | None
) -> None:
    (found,) = violations(post(parameters=parameters, batch=batch))
    assert found[:2] == ("parameters", reason)
    assert found[2].startswith(message)


@pytest.mark.parametrize("name", ["To", "Subject", "FromName", "FromAddress", "HTML"])
def test_a_mandatory_placeholder_is_missed_in_a_body(name: str) -> None:
    place = "a string of the body" + ("" if name == "HTML" else " or the value of a header")
    message = f"`$${name}` is missing; put it into {place}"
    assert violations(without(name)) == [("parameters", "PLACEHOLDER_MISSING", message)]


@pytest.mark.parametrize("name", ["To", "Subject", "FromName", "FromAddress"])
def test_a_mandatory_placeholder_is_missed_in_a_query(name: str) -> None:
    message = f"`$${name}` is missing; put it into the value of a query parameter or of a header"
    assert violations(without(name, GET)) == [("query_parameters", "PLACEHOLDER_MISSING", message)]


def test_all_that_is_missing_is_reported_together() -> None:
    found = violations(post(parameters='{"token": "$$Token", "html": "$$html"}'))
    missed = [message.split(" ")[0] for _, _, message in found]
    assert missed == ["`$$To`", "`$$Subject`", "`$$FromName`", "`$$FromAddress`", "`$$HTML`"]


def test_a_mandatory_placeholder_outside_the_batch_array_does_not_count() -> None:
    text = f'{{"subject": "$$Subject", "msgs": [{MESSAGE}]}}'.replace(
        '"$$Subject", "name"', '"", "name"'
    )
    assert violations(batched(text)) == [
        (
            "parameters",
            "PLACEHOLDER_MISSING",
            "`$$Subject` is missing; put it into each message of msgs or the value of a header; "
            "subject (line 1, column 13), where it stands now, is not replaced",
        )
    ]


def test_a_placeholder_in_a_key_counts() -> None:
    config = post(parameters=OPEN.replace('"mid": "$$MessageID"', '"$$MessageID": 1') + '"x": 1}')
    assert inspect(config) == ([], [])


@pytest.mark.parametrize("name", ["HTML", "Plaintext", "AMPHTML"])
def test_a_body_is_refused_in_headers_and_in_a_query(name: str) -> None:
    config = replace(query(f"a $${name}"), headers=(header(), header("X-Body", f"$${name}")))
    assert violations(config) == [
        (
            "headers[1].value",
            "PLACEHOLDER_NOT_ALLOWED",
            f"header X-Body cannot hold `$${name}`: a whole body fits only into a POST body",
        ),
        (
            "query_parameters[5].value",
            "PLACEHOLDER_NOT_ALLOWED",
            f"query parameter q0 cannot hold `$${name}`: a whole body fits only into a POST body",
        ),
    ]


@pytest.mark.parametrize(
    "parameters",
    [MESSAGE, f'{{"to": "$$To", "msgs": [{MESSAGE.replace("$$To", "$$Token")}]}}'],
)
def test_a_batch_needs_an_array_that_holds_to(parameters: str) -> None:
    (found,) = violations(batched(parameters))
    assert found == (
        "parameters",
        "BATCH_ARRAY_MISSING",
        "no JSON array holds `$$To`; put the message into an array, as in "
        '{"msgs": [{"to": "$$To"}]}, or turn batching off',
    )


def test_two_batch_arrays_are_named_with_their_places() -> None:
    (found,) = violations(batched(f'{{"msgs": [{MESSAGE}],\n "all": {{"to": ["x", "$$To"]}}}}'))
    assert found == (
        "parameters",
        "BATCH_ARRAY_AMBIGUOUS",
        "`$$To` stands in more than one array: msgs (line 1, column 10) and all.to "
        "(line 5, column 16); keep it in the one of the messages",
    )


@pytest.mark.parametrize(
    ("first", "second", "path"),
    [
        ('"a": 1', '"a": "1"', "msgs[1].a"),
        ('"a": "x"', '"a": "y"', "msgs[1].a"),
        ('"a": 1.0', '"a": 2.0', "msgs[1].a"),
        ('"a": 1', '"a": 2.5', "msgs[1].a"),
        ('"a": true', '"a": false', "msgs[1].a"),
        ('"a": null', '"a": 1', "msgs[1].a"),
        ('"a": [1]', '"a": [1, 2]', "msgs[1].a"),
        ('"a": {"b": 1}', '"a": {"c": 1}', "msgs[1].a"),
        ('"a": {"b": [1, "x"]}', '"a": {"b": [2, "y"]}', "msgs[1].a.b[1]"),
        ('"a": 1', '"b": 1', "msgs[1]"),
        ('"a": 1', '"a": 1, "b": 1', "msgs[1]"),
        ('"a": 1234567890123', '"a": 1234567890124', "msgs[1].a"),
    ],
)
def test_prototypes_that_are_not_alike_are_refused_with_the_path(
    first: str, second: str, path: str
) -> None:
    (found,) = violations(batched(f'{{"msgs": [{OPEN} {first}}}, {OPEN} {second}}}]}}'))
    assert found[:2] == ("parameters", "PROTOTYPES_DIFFER")
    first = path.replace("msgs[1]", "msgs[0]")
    assert without_places(found[2]) == (
        f"{path} differs from {first}; the elements of the batch array "
        "must be equal but for integers that count up, or there must be only one"
    )


def without_places(message: str) -> str:
    """The sentence less its lines and columns, of which there must be some."""
    left, places = re.subn(r" \(line [0-9]+, column [0-9]+\)", "", message)
    assert places
    return left


@pytest.mark.parametrize(
    ("numbers", "path", "number"),
    [
        ((1, 2, 4), "msgs[2].seq", 4),
        ((1, 1, 2), "msgs[1].seq", 1),
        ((1, 2, 2), "msgs[2].seq", 2),
        ((2, 1), "msgs[1].seq", 1),
    ],
)
def test_numbers_that_do_not_count_up_evenly_are_refused_with_the_path(
    numbers: tuple[int, ...], path: str, number: int
) -> None:
    messages = ", ".join(f'{OPEN} "seq": {each}}}' for each in numbers)
    (found,) = violations(batched(f'{{"msgs": [{messages}]}}'))
    assert found[:2] == ("parameters", "PROTOTYPES_DIFFER")
    assert without_places(found[2]) == (
        f"{path} is {number}, which does not count up evenly from the elements before it; "
        "number them as in 1, 2, 3"
    )


def test_every_difference_is_reported_and_keys_may_stand_in_another_order() -> None:
    first = OPEN + '"a": 1, "b": {"c": "x"}, "d": [1]}'
    second = OPEN + '"d": [3, 4], "b": {"c": "y"}, "a": 2}'
    found = violations(batched(f"[{first}, {second}]"))
    assert [message.split(" ")[0] for _, _, message in found] == ["[1].b.c", "[1].d"]


def advice(config: ProviderConfig) -> list[tuple[str, str, str]]:
    assert inspect(config)[0] == []
    return [(a.field, a.reason, a.message) for a in inspect(config)[1]]


@pytest.mark.parametrize(("config", "field"), [(POST, "parameters"), (GET, "query_parameters")])
def test_a_template_without_message_id_cannot_be_tracked(
    config: ProviderConfig, field: str
) -> None:
    ((found, reason, message),) = advice(without("MessageID", config))
    assert (found, reason) == (field, "MESSAGE_ID_MISSING")
    assert message.startswith("without `$$MessageID` no callback can name its message")


def test_each_placeholder_that_goes_out_as_it_stands_is_pointed_out() -> None:
    text = f'{{"discount": "$$Discount off", "$$key": 1,\n "msgs": [{OPEN} "$$k $$l": 1}}]}}'
    config = batched(text, header("X-$$Name", "v"))
    reason = "nothing is replaced there"
    assert advice(config) == [
        (field, "PLACEHOLDER_NOT_REPLACED", f"{use} goes out as it stands, since {reason}")
        for field, use in [
            ("parameters", '`$$key` in ["$$key"] (line 1, column 32)'),
            ("parameters", "`$$Discount` in discount (line 1, column 14)"),
            ("headers[0].name", "`$$Name`"),
        ]
    ]


def test_a_system_name_in_the_wrong_case_is_pointed_out() -> None:
    config = post(parameters=OPEN + '"bcc": "$$BCC"}', headers=(header("X-To", "$$to"),))
    assert advice(config) == [
        (
            "parameters",
            "PLACEHOLDER_CASE",
            "`$$BCC` in bcc (line 3, column 50) is a custom placeholder; the system one is `$$bcc`",
        ),
        (
            "headers[0].value",
            "PLACEHOLDER_CASE",
            "`$$to` in header X-To is a custom placeholder; the system one is `$$To`",
        ),
    ]


def test_a_header_that_no_two_messages_share_makes_batches_of_one() -> None:
    config = batched(f"[{MESSAGE}]", header("X-Id", "<$$MessageID>"), header("X-C", "$$CampaignID"))
    assert advice(config) == [
        (
            "headers[0].value",
            "HEADER_SPLITS_BATCHES",
            "`$$MessageID` in header X-Id differs for every message, "
            "so every request will hold only one",
        )
    ]


def test_a_template_full_of_faults_gets_an_answer_of_readable_length() -> None:
    members = ", ".join(f'"k{i}": "$$x"' for i in range(5_000))
    assert len(inspect(batched(f'{{{members}, "msgs": [{MESSAGE}]}}'))[1]) == MAX_FINDINGS


def each(text: str, **changes: Any) -> ProviderConfig:
    """A batched provider with the sample message under `$each`, and `text` beside it."""
    given: dict[str, Any] = {"batch": Batch(max_messages=10), **changes}
    return post(parameters=f'{{"msgs": [{{"$each": {MESSAGE}}}]{text}}}', **given)


GROUP: dict[str, Any] = {"batch": Batch(max_messages=10, group=True)}
SECRETS: dict[str, Any] = {"secrets": (Secret(name="key", value="k-123456"),)}


@pytest.mark.parametrize(
    "config",
    [
        each(""),
        each(', "to": [{"$each": "$$To"}], "by": {"$each": {"$$To": {"m": "$$MessageID"}}}'),
        each(', "x": {"$json": {"$each": {"$$To": 1}}}'),
        each(', "campaign": "$$CampaignID"', **GROUP),
        each(', "key": "$$secret.key"', **SECRETS),
        post(parameters=f'[{{"$each": {MESSAGE}}}]', batch=Batch(max_messages=10)),
        post(parameters=f"[{MESSAGE}]", headers=(header("X", "$$secret.key"),), **SECRETS),
        post(parameters=MESSAGE.replace('"$$FromName"', '"$$FromAddress.mailbox"')),
        post(parameters=MESSAGE.replace('"$$To"', '"$$To.mailbox"')),
        post(parameters=MESSAGE.replace('"mid": "$$MessageID"', '"m": {"$json": "$$MessageID"}')),
        post(http_endpoint="https://e.example/$$domain/$$MessageID?x=$$CampaignID"),
        replace(without("HTML", without("Subject")), stored_template=True),
        replace(without("Subject", GET), stored_template=True),
        post(body_encoding=BodyEncoding.FORM),
        post(parameters=OPEN + '"l": ["$$cc", {"$json": [{}]}]}', body_encoding=BodyEncoding.FORM),
        each(', "x": "$$CampaignID"', body_encoding=BodyEncoding.JSON, **GROUP),
        post(
            parameters=OPEN + '"v": {"$json": {"$each": {"$$To": 1}}}, "e": [{"$each": "$$To"}]}',
            body_encoding=BodyEncoding.MULTIPART,
            batch=Batch(max_messages=1000, group=True),
        ),
    ],
)
def test_a_template_that_uses_the_language_well_is_not_refused(config: ProviderConfig) -> None:
    violations, found = inspect(config)
    assert violations == []
    # In the last one everything is outside of the messages, which is worth its advice.
    assert {a.reason for a in found} <= {"GROUP_SPLITS_BATCHES"}


@pytest.mark.parametrize(
    ("config", "reason", "message"),
    [
        (
            each(', "x": [{"$each": "$$To"}, 1]'),
            "EACH_NOT_ALONE",
            "x[0] must be the only element of its array; move the others elsewhere",
        ),
        (
            each(', "x": {"$each": "$$To"}'),
            "EACH_NOT_POSSIBLE",
            'x["$each"] must be an object with the members that each message adds; '
            "or put the `$each` alone into an array",
        ),
        (
            each(', "x": {"$each": {}}'),
            "EACH_NOT_POSSIBLE",
            'x["$each"] must be an object with the members that each message adds; '
            "or put the `$each` alone into an array",
        ),
        (
            each(', "x": [{"$each": {"y": {"$each": {"$$To": 1}}}}]'),
            "EACH_NESTED",
            'x[0]["$each"].y stands within another `$each`; a message holds no messages',
        ),
        (
            each(', "x": {"$json": 1, "y": 2}'),
            "OPERATOR_NOT_ALONE",
            'x["$json"] is an operator and must be the only key of its object',
        ),
        (
            each(', "x": {"$each": {"$$To": 1}, "y": 2}'),
            "OPERATOR_NOT_ALONE",
            'x["$each"] is an operator and must be the only key of its object',
        ),
    ],
)
def test_an_operator_in_the_wrong_place_is_refused(
    config: ProviderConfig, reason: str, message: str
) -> None:
    assert [(r, without_places(m)) for _, r, m in violations(config)] == [(reason, message)]


@pytest.mark.parametrize(
    ("member", "place"),
    [('"x": {"y": 1}', "x"), ('"x": [1, {"y": 1}]', "x[1]"), ('"x": [[1]]', "x[0]")],
)
@pytest.mark.parametrize("encoding", [BodyEncoding.FORM, BodyEncoding.MULTIPART])
def test_what_is_no_field_of_a_form_is_refused(
    member: str, place: str, encoding: BodyEncoding
) -> None:
    (found,) = violations(post(parameters=f"{OPEN} {member}}}", body_encoding=encoding))
    assert found[:2] == ("parameters", "NOT_A_FIELD")
    assert without_places(found[2]) == (
        f'{place} is no field of a form; write it as {{"$json": ...}}, or as a string'
    )


@pytest.mark.parametrize("parameters", [f"[{MESSAGE}]", f'{{"$json": {MESSAGE}}}'])
def test_a_form_is_one_object(parameters: str) -> None:
    (found,) = violations(post(parameters=parameters, body_encoding=BodyEncoding.FORM))
    assert found == (
        "parameters",
        "NOT_AN_OBJECT",
        "a body of FORM is one object, whose keys are the names of the fields",
    )


def test_with_each_only_messages_count_and_nothing_else_is_replaced() -> None:
    text = f'{{"s": "$$Subject", "msgs": [{{"$each": {MESSAGE}}}]}}'.replace(
        '"$$Subject", "name"', '"", "name"'
    )
    (found,) = violations(batched(text))
    assert without_places(found[2]) == (
        "`$$Subject` is missing; put it into each message of an `$each` or the value of a header; "
        "s, where it stands now, is not replaced"
    )
    assert violations(post(parameters=text, **GROUP)) == []


def test_a_display_name_is_no_address() -> None:
    found = violations(post(parameters=MESSAGE.replace('"$$To"', '"$$To.name"')))
    assert [message.split(";")[0] for _, _, message in found] == ["`$$To` is missing"]
    assert violations(batched(f"[{MESSAGE.replace('$$To', '$$To.name')}]"))[0][1] == (
        "BATCH_ARRAY_MISSING"
    )


def test_a_body_is_refused_in_the_url() -> None:
    config = post(http_endpoint="https://e.example/$$HTML.base64")
    assert violations(config) == [
        (
            "http_endpoint",
            "PLACEHOLDER_NOT_ALLOWED",
            "the URL cannot hold `$$HTML`: a whole body fits only into a POST body",
        )
    ]


@pytest.mark.parametrize(
    ("config", "field", "reason", "message"),
    [
        (
            each("", batch=None),
            "parameters",
            "EACH_WITHOUT_BATCH",
            "holds `$each`, and without `batch` every request has one message; set batch",
        ),
        (
            each("", **GROUP),
            "batch.group",
            "GROUP_NOT_NEEDED",
            "has nothing to do: no placeholder stands outside of the messages; remove it",
        ),
        (
            each(', "x": "$$MessageID"', **GROUP),
            "parameters",
            "GROUP_SPLITS_BATCHES",
            "`$$MessageID` in x differs for every message, so every request will hold only one; "
            "move it into them",
        ),
        (
            each(', "x": "$$HTML"', **GROUP),
            "parameters",
            "GROUP_SPLITS_BATCHES",
            "`$$HTML` in x is shared by a request: a campaign in which it is personal sends one "
            "message a request; put it into the messages, or keep it the same for everybody",
        ),
        (
            each("", http_endpoint="https://e.example/$$To"),
            "http_endpoint",
            "URL_SPLITS_BATCHES",
            "`$$To` in the URL differs for every message, so every request will hold only one",
        ),
        (
            each("", **SECRETS),
            "secrets[0].name",
            "SECRET_NOT_USED",
            "is never used; put `$$secret.key` where it belongs, or remove it",
        ),
        (
            post(headers=(header("X-S", "$$Subject.mailbox"),)),
            "headers[0].value",
            "FORM_NOT_POSSIBLE",
            "`$$Subject.mailbox` in header X-S is no address, so that `.mailbox` stays there as "
            "text; To, FromAddress and ReplyToAddress have this form",
        ),
    ],
)
def test_what_is_hardly_meant_is_pointed_out(
    config: ProviderConfig, field: str, reason: str, message: str
) -> None:
    ((at, found, told),) = advice(config)
    assert (at, found, re.sub(r" \(line [0-9]+, column [0-9]+\)", "", told)) == (
        field,
        reason,
        message,
    )


def test_deep_templates_are_read_in_no_time() -> None:
    deep = "[" * 90 + '"$$cc", "$$To"' + "]" * 90
    assert violations(post(parameters=f'{OPEN} "deep": {deep}}}')) == []
    assert renderer(post(parameters=f'{OPEN} "deep": {deep}}}')).required_keys == {"name"}
