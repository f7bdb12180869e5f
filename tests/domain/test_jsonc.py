"""The parser of templates: strict JSON, and also comments and trailing commas."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.jsonc import (
    MAX_DEPTH,
    MAX_PATH,
    Array,
    JsonSyntaxError,
    Node,
    Object,
    Scalar,
    String,
    nodes,
    parse,
)


def value_of(node: Node) -> Any:
    match node:
        case Scalar():
            return json.loads(node.lexeme)
        case String():
            return node.value
        case Array():
            return [value_of(item) for item in node.items]
        case Object():
            return {key.value: value_of(value) for key, value in node.members}


def lexemes(text: str) -> list[str]:
    return [node.lexeme for node in nodes(parse(text)) if isinstance(node, Scalar)]


@pytest.mark.parametrize(
    "lexeme",
    ["0", "-0", "1.0", "1.50", "-12e3", "1E400", "1e+5", "2E-7", "12345678901234567890123"],
)
def test_a_number_is_kept_as_it_was_written(lexeme: str) -> None:
    assert lexemes(f'{{"n": [{lexeme}]}}') == [lexeme]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, 2,]", [1, 2]),
        ('{"a": 1,}', {"a": 1}),
        ("// first\n[1] // last", [1]),
        ("/* a\n * b **/[/**/1/***/,/*/ 2 */]", [1]),
        ("[true, false, null]", [True, False, None]),
        ('{"u": "https://a.example/*b*/ // c"}', {"u": "https://a.example/*b*/ // c"}),
        ('\ufeff {"a": []}', {"a": []}),
        (r'["\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"]', ['"\\/\b\f\n\r\té😀']),
        ("[1]\r// the end of the line is a carriage return\r", [1]),
        ("\t\r\n5 ", 5),
        ('""', ""),
    ],
)
def test_comments_and_trailing_commas_change_nothing(text: str, value: object) -> None:
    assert value_of(parse(text)) == value


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "expected a value, found the end of the text"),
        ("{\n  'a': 1}", 2, 3, "expected a key in double quotes or `}`, found `'`"),
        ("{a: 1}", 1, 2, "found `a`"),
        ('{"a" 1}', 1, 6, "expected `:`, found `1`"),
        ('{"a": 1 "b": 2}', 1, 9, 'expected `,` or `}`, found `"`'),
        ("[1 2]", 1, 4, "expected `,` or `]`, found `2`"),
        ("[,]", 1, 2, "expected a value, found `,`"),
        ("[1,,]", 1, 4, "expected a value, found `,`"),
        ("{,}", 1, 2, "expected a key"),
        ("[1]\n\n]", 3, 1, "expected nothing more, found `]`"),
        ("[1", 1, 3, "expected `,` or `]`, found the end of the text"),
        ("[01]", 1, 2, "expected a value, found `01`"),
        ("[+1]", 1, 2, "found `+1`"),
        ("[.5]", 1, 2, "found `.5`"),
        ("[1.]", 1, 2, "found `1.`"),
        ("[1e]", 1, 2, "found `1e`"),
        ("[0x10]", 1, 2, "found `0x10`"),
        ("[NaN]", 1, 2, "found `NaN`"),
        ("[-Infinity]", 1, 2, "found `-Infinity`"),
        ("[True]", 1, 2, "found `True`"),
        ("[nullx]", 1, 2, "found `nullx`"),
        ("[\u0661]", 1, 2, "found `\u0661`"),
        ("['a']", 1, 2, "expected a value, found `'`"),
        ('["a', 1, 4, "not closed on its line"),
        ('["a\nb"]', 1, 4, "a line break in it is written `\\n`"),
        ('["a\tb"]', 1, 4, "is written `\\u0009`"),
        (r'["\x41"]', 1, 3, "`\\x` is no escape of JSON; write `\\\\`"),
        (r'["\u12"]', 1, 3, "`\\u` takes four hexadecimal digits"),
        (r'["ab\ud83d"]', 1, 2, "half of a surrogate pair"),
        (r'["\ude00\ud83d"]', 1, 2, "half of a surrogate pair"),
        ('["\ud83d"]', 1, 2, "half of a surrogate pair"),
        ("[1, /* 2]", 1, 5, "the comment is not closed; end it with `*/`"),
        ("[1, /*/", 1, 5, "the comment is not closed"),
        ("[1 / 2]", 1, 4, "found `/`"),
        ("[1] # no", 1, 5, "found `#`"),
        ("[\u00a01]", 1, 2, "found `\u00a0`"),
        ('{"a": 1,\r\n "b": 2,\r\n "a": 3}', 3, 2, "key 'a' stands here again, after line 1"),
        (r'{"a": 1, "\u0061": 3}', 1, 10, "key 'a' stands here again, after line 1"),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(JsonSyntaxError) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert message in caught.value.message
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


def test_a_hundred_levels_are_read_and_one_more_is_refused() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert len(list(nodes(parse(deepest)))) == MAX_DEPTH
    with pytest.raises(JsonSyntaxError, match="more than 100 arrays and objects") as caught:
        parse("[" * 100_000)
    assert caught.value.column == MAX_DEPTH + 1


def test_every_node_knows_its_path_line_and_column() -> None:
    root = parse('{"msgs": [\n  {"seq": 1, "a b": [null]}\n]}')
    places = [str(node.where) for node in nodes(root)]
    assert places == [
        "the root (line 1, column 1)",
        "msgs (line 1, column 10)",
        "msgs[0] (line 2, column 3)",
        "msgs[0].seq (line 2, column 11)",
        'msgs[0]["a b"] (line 2, column 21)',
        'msgs[0]["a b"][0] (line 2, column 22)',
    ]


def test_a_long_key_does_not_make_all_paths_below_it_long() -> None:
    root = parse(json.dumps({"k" * 100_000: [0] * 10}))
    assert max(len(node.where.path) for node in nodes(root)) <= MAX_PATH
    assert [node.where.path[-3:] for node in nodes(root)][-1] == "[9]"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
noise = st.lists(
    st.sampled_from(["", " ", "\n", "\t\r\n", "// x }],\n", "/* ] */", '/* "a": // */', "/***/"]),
    min_size=1,
    max_size=20,
)


@given(json_values, st.booleans())
def test_it_reads_json_as_the_standard_library_does(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1)
    assert value_of(parse(text)) == json.loads(text)


@given(json_values, noise, st.booleans())
def test_noise_between_the_tokens_changes_nothing(
    value: object, between: list[str], trailing: bool
) -> None:
    tokens = list(tokens_of(value, trailing))
    text = "".join(between[i % len(between)] + token for i, token in enumerate(tokens))
    assert value_of(parse(text + between[0])) == value


def tokens_of(value: object, trailing: bool) -> list[str]:
    match value:
        case dict():
            members = [[json.dumps(k), ":", *tokens_of(v, trailing)] for k, v in value.items()]
            return ["{", *joined(members, trailing), "}"]
        case list():
            return ["[", *joined([tokens_of(item, trailing) for item in value], trailing), "]"]
        case _:
            return [json.dumps(value)]


def joined(items: list[list[str]], trailing: bool) -> list[str]:
    tokens = [token for item in items for token in [*item, ","]]
    return tokens if trailing else tokens[:-1]


@given(st.text(alphabet='{}[]",:/*\\ \n-+.0aeu1tnN"', max_size=30))
def test_what_the_standard_library_refuses_is_refused_but_for_comments_and_commas(
    text: str,
) -> None:
    try:
        parse(text)
    except JsonSyntaxError:
        assert not is_strict(text)


def is_strict(text: str) -> bool:
    """Whether json.loads reads it, less the numbers that only Python knows and repeated keys."""

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key is repeated")
        return dict(pairs)

    def refuse(name: str) -> object:
        raise ValueError(name)

    try:
        json.loads(text, object_pairs_hook=members, parse_constant=refuse)
    except ValueError:
        return False
    return True
