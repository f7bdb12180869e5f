from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from entrypoints.cli.failures import EXIT_INVALID, Failure
from entrypoints.cli.recipient_places import RecipientPlaces
from entrypoints.cli.recipients import read_chunks
from espalier.v1 import common_pb2


def _file(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _recipient(email: str, name: str = "", **replacements: object) -> common_pb2.Recipient:
    recipient = common_pb2.Recipient(email=email, name=name)
    if replacements:
        recipient.replacements.update(replacements)  # type: ignore[arg-type]
    return recipient


def test_columns_of_a_csv_are_replacements_and_stay_text(tmp_path: Path) -> None:
    text = '\ufeffname,email,City,n\r\n"Ann, ""A""",a@x.example,"New\nYork",007\r\n'
    text += "\r\n,b@x.example,,\r\n"
    assert list(read_chunks(_file(tmp_path, "people.csv", text))) == [
        [
            _recipient("a@x.example", 'Ann, "A"', City="New\nYork", n="007"),
            _recipient("b@x.example", City="", n=""),
        ]
    ]


def test_json_lines_keep_the_types_of_their_values(tmp_path: Path) -> None:
    text = '{"email": "a@x.example", "replacements": {"age": 7, "tags": ["x"]}}\n\n'
    text += '{"email": "b@x.example", "name": "Bo"}'
    assert list(read_chunks(_file(tmp_path, "people.jsonl", text))) == [
        [_recipient("a@x.example", age=7, tags=["x"]), _recipient("b@x.example", "Bo")]
    ]


def test_a_long_file_comes_in_chunks_in_its_order(tmp_path: Path) -> None:
    text = "email\n" + "".join(f"p{i}@x.example\n" for i in range(2_500))
    chunks = list(read_chunks(_file(tmp_path, "people.csv", text)))
    assert [len(chunk) for chunk in chunks] == [1_000, 1_000, 500]
    assert [r.email for chunk in chunks for r in chunk] == [f"p{i}@x.example" for i in range(2_500)]


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("p.csv", "", 1, "must have a column `email`"),
        ("p.csv", "mail\na@x.example\n", 1, "must have a column `email`"),
        ("p.csv", "name,Email\n", 1, "`email`; write `Email` as `email`, in lower case"),
        ("p.csv", "email;name\n", 1, "`email`; separate columns with commas, not with semicolons"),
        ("p.csv", "Name\tE-mail\n", 1, "`email`; separate columns with commas, not with tabs"),
        ("p.csv", "a@x.example,Ann\n", 1, "put one such as `email,name` above it"),
        ("p.csv", "email,a,a\n", 1, "column `a` stands there twice"),
        ("p.csv", "email,\n", 1, "a column has no name"),
        ("p.csv", "email,a\na@x.example,1\nb@x.example\n", 3, "it has 1 values, and the heading 2"),
        ("p.csv", 'email\na@x.example\n"b"c@x.example\n', 3, "not valid CSV"),
        ("p.csv", 'email,a\na@x.example,"x\ny"\n,1\n', 4, "has no email address"),
        ("p.csv", b"email\na@x.example\n\xff\n", 3, "not UTF-8"),
        ("p.jsonl", '{"email": "a@x.example"}\n{"email"\n', 2, "not valid JSON"),
        ("p.jsonl", "[]\n", 1, "each line must be a JSON object"),
        ("p.jsonl", "{}\n", 1, "`email` must be given"),
        ("p.jsonl", '{"email": "a@x.example", "age": 7}\n', 1, "put it under `replacements`"),
        ("p.jsonl", '{"Email": "a@x.example"}\n', 1, "unknown key `Email`: write it `email`"),
        ("p.jsonl", '{"email": "a@x.example", "replacements": 1}\n', 1, "must be an object"),
        (
            "p.jsonl",
            '{"email": "a@x.example", "replacements": {"n": [9007199254740993]}}\n',
            1,
            "9007199254740993 is too large for an exact number",
        ),
    ],
)
def test_a_broken_line_is_named(
    tmp_path: Path, name: str, content: str | bytes, line: int, says: str
) -> None:
    path = _file(tmp_path, name, content)
    with pytest.raises(Failure) as caught:
        list(read_chunks(path))
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert says in caught.value.message
    assert caught.value.exit_code == EXIT_INVALID


def test_what_stands_before_a_broken_line_700_001_has_come_out_by_then(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    with path.open("w") as file:
        file.write("email\n")
        file.writelines(f"p{i}@x.example\n" for i in range(699_999))
        file.write("p,q\n")
    chunks = read_chunks(path, size=10_000)
    assert sum(len(chunk) for chunk in islice(chunks, 69)) == 690_000
    with pytest.raises(Failure, match=r"many\.csv:700001: it has 2 values"):
        next(chunks)


_CSV = 'email,a\na@x.example,"x\ny"\n\nb@x.example,1\nc@x.example,2\n'
_JSON_LINES = "".join(f'{{"email": "{name}@x.example"}}\n\n' for name in "abc")


@pytest.mark.parametrize(
    ("name", "content", "field", "place"),
    [
        ("p.csv", _CSV, "recipients[0].replacements.a", ":2: replacements.a"),
        ("p.csv", _CSV, "recipients[1].email", ":5: email"),
        ("p.csv", _CSV, "recipients[2]", ":6"),
        ("p.jsonl", _JSON_LINES, "recipients[2].replacements.b[0]", ":5: replacements.b[0]"),
        ("p.csv", _CSV, "recipients", ""),
    ],
)
def test_a_recipient_with_a_fault_is_placed_on_its_line(
    tmp_path: Path, name: str, content: str, field: str, place: str
) -> None:
    path = _file(tmp_path, name, content)
    assert RecipientPlaces(path)(field) == f"{path}{place}"


def test_places_are_found_in_any_order(tmp_path: Path) -> None:
    path = _file(tmp_path, "p.csv", _CSV)
    place = RecipientPlaces(path)
    assert [place(f"recipients[{i}]") for i in (0, 2, 2, 1)] == [
        f"{path}:{line}" for line in (2, 6, 6, 5)
    ]


@pytest.mark.parametrize("field", ["campaign.html", "recipients[3].email", ""])
def test_what_the_file_does_not_have_keeps_its_name(tmp_path: Path, field: str) -> None:
    assert RecipientPlaces(_file(tmp_path, "p.csv", _CSV))(field) == field


@pytest.mark.parametrize("content", [None, "name\nAnn\n"])
def test_a_file_that_has_changed_since_leaves_a_fault_its_name(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "p.csv"
    if content is not None:
        path.write_text(content)
    assert RecipientPlaces(path)("recipients[0].email") == "recipients[0].email"


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"must end in \.csv or \.jsonl"):
        list(read_chunks(_file(tmp_path, "people.xlsx", "")))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"people\.csv cannot be read: No such file"):
        list(read_chunks(tmp_path / "people.csv"))
