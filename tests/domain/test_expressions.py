"""JMESPath over what strangers send."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jmespath.parser import Parser

from domain.expression_steps import Evaluation, ExtendedFunctions
from domain.expressions import BadExpression, compile_expression, expression_fault, is_false

_SCOPE = {
    "body": {"a": {"b": 1}, "list": [1, 2], "none": None, "empty": "", "big": 2**63},
    "headers": {"x-id": "7", "Subject": "s"},
    "pairs": [{"name": "X-Id", "value": "8"}, {"key": "Y", "value": "9"}, ["Z", "10"], 3],
    "message": '{"inner": {"id": 70650219165027410}}',
    "from": 'Acme, "Inc" <a@x.example>',
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("body.a.b", 1),
        ("body.a.missing.deeper", None),
        ("body.a.b.deeper", None),
        ("body.empty || body.none || body.a.b", 1),
        ("body.list[1]", 2),
        ('headers."x-id"', "7"),
        ("header(headers, 'subject')", "s"),
        ("header(pairs, 'x-ID')", "8"),
        ("header(pairs, 'y')", "9"),
        ("header(pairs, 'z')", "10"),
        ("header(pairs, 'w')", None),
        ("header(body.none, 'w')", None),
        ("parse_json(message).inner.id", 70650219165027410),
        ('parse_json(`"no json"`)', None),
        ("parse_json(body.a)", {"b": 1}),
        ('addr_spec("from")', "a@x.example"),
        ("addr_spec('b@x.example')", "b@x.example"),
        ("addr_spec(body.list)", None),
        ("lower('ABC')", "abc"),
        ("split('a.b.c', '.')[0]", "a"),
        ("split('abc', '')", None),
        ("strip('<id@x>', '<>')", "id@x"),
        ("text(body.a.b)", "1"),
        ("text(body.big)", str(2**63)),
        ("text(body.none)", None),
        ("text(`true`)", "true"),
        ("join('.', [text(body.a.b), 'x'])", "1.x"),
        ("join('.', [body.none, 'x'])", None),
        ("body.list[::0]", None),
        ("body.list == `[1, 2]` && body.a.b > `0`", True),
        ("headers < `1`", None),
        ('sort(`[1, "a"]`)', None),
        ("`bounce`", "bounce"),
    ],
)
def test_an_expression_finds(text: str, found: Any) -> None:
    assert compile_expression(text).search(_SCOPE) == found


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "is empty"),
        ("a.b[", "ends too early"),
        ("event-data.id", "character 6"),
        ("a #", "character 3"),
        ("lowercase(a)", "there is: lower"),
        ("split(a)", "gives split() 1 arguments; it takes 2"),
        ("(" * 900 + "a" + ")" * 900, "deep"),
        ("a" + " || a" * 200, "deep"),
        ("a" * 2001, "2000 are allowed"),
        ("!a.b", "write !(a.b)"),
        ("c && !a.b.c", "write !(a.b)"),
        ("`" + "[" * 1900 + "`", "JMESPath"),
    ],
)
def test_what_is_no_expression_says_why(text: str, named: str) -> None:
    fault = expression_fault(text)
    assert fault is not None
    assert named in fault or "deep" in fault
    with pytest.raises(BadExpression):
        compile_expression(text)


@pytest.mark.parametrize(
    "bomb",
    [
        "join(to_string(body), body[].[@, @][].[@, @][].[@, @][].[@, @][])",
        "split(to_string([body, body, body]), 'a')",
        "body" + " | [@, @][]" * 60,
        "to_string(body" + " | [@, @]" * 60 + ")",
        "body" + " | [@, @]" * 60 + " | @ == [@[0], @[1]]",
        "join('', `[1]`[].to_string(@)" + " | [@, @][]" * 40 + ")",
        "values(@)" + " | [@, @][]" * 40,
        "map(&map(&map(&map(&map(&@, $l), $l), $l), $l), $l)".replace("$l", "body"),
    ],
)
def test_an_expression_that_multiplies_what_it_is_given_ends(bomb: str) -> None:
    evaluation = Evaluation()
    found = compile_expression(bomb).search({"body": ["a" * 1000] * 1000}, evaluation)
    assert found is None
    assert evaluation.is_over or "map(" in bomb


def test_searches_share_the_steps_of_one_evaluation() -> None:
    evaluation = Evaluation(12)
    search = compile_expression("length(list[*].a)").search
    assert search({"list": [{"a": 1}]}, evaluation) == 1
    assert search({"list": [{"a": 1}]}, evaluation) is None
    assert evaluation.is_over


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_what_is_empty_is_false(value: object) -> None:
    assert is_false(value)


@pytest.mark.parametrize("value", [0, True, "a", [None], {"a": None}])
def test_what_is_not_empty_is_true(value: object) -> None:
    assert not is_false(value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=20,
)
_PIECES = st.sampled_from(
    [*".[]()*@|!<&,:{}?abc", "||", "&&", "==", "0", "-1", "'a'", "`1`", "`[]`", '"b"']
    + [f"{name}(" for name in ExtendedFunctions.FUNCTION_TABLE]
)


@given(text=st.text(max_size=30) | st.lists(_PIECES, max_size=25).map("".join), scope=_JSON)
@settings(max_examples=400)
def test_no_expression_and_no_data_raise(text: str, scope: Any) -> None:
    fault = expression_fault(text)
    if fault is None:
        expression = compile_expression(text)
        evaluation = Evaluation(2_000)
        expression.search(scope, evaluation)
        assert evaluation.left <= 2_000
    else:
        assert fault


def _of_parts(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    shapes = st.sampled_from(
        [
            *("({0}) || ({1})", "({0}) && ({1})", "!({0})", "({0}) == ({1})", "({0}) < ({1})"),
            *("[{0}, {1}]", "({0}) | ({1})", "({0})[0]", "({0})[-1]", "({0})[]", "({0})[?{1}]"),
            *("({0})[*].a", "({0}).b", "({0}).*", "{{a: {0}, b: {1}}}", "({0})[1:]"),
            *("text({0})", "length({0})", "not_null({0}, {1})", "contains({0}, {1})"),
            *("map(&({0}), {1})", "split({0}, {1})", "type({0})", "to_array({0})"),
        ]
    )
    return st.builds(lambda shape, *two: shape.format(*two), shapes, parts, parts)


_VALID = st.recursive(
    st.sampled_from(["a", "b", "c", "@", "`1`", "`0`", "'a'", "`[]`", "`null`", "a.b", '"b".c']),
    _of_parts,
    max_leaves=8,
)


@given(text=_VALID, scope=_JSON)
@settings(max_examples=400)
def test_what_is_found_is_what_the_library_finds(text: str, scope: Any) -> None:
    assert expression_fault(text) is None
    evaluation = Evaluation()
    try:
        expected = evaluation.visit(Parser().parse(text).parsed, scope)
    except Exception:  # noqa: BLE001 - what fails there finds nothing here.
        expected = None
    assert repr(compile_expression(text).search(scope)) == repr(expected)
