"""Custom replacements: from google.protobuf.Struct to Python values.

Written out by hand, since it runs for each of millions of recipients: json_format.MessageToDict
takes many times as long. protobuf parses at most 100 levels of messages, so the recursion ends.
"""

from google.protobuf.struct_pb2 import Struct, Value

from domain.campaign import JsonValue

# A Struct's numbers are doubles. Up to here each whole one is exact, and was meant as an integer.
_EXACT = 2.0**53


def from_struct(struct: Struct) -> dict[str, JsonValue]:
    """The values by name. Whole numbers up to 2^53 become int; a value without a kind is null."""
    fields = struct.fields
    # Going over the names is faster than items(), which makes a pair for each of them.
    return {name: from_value(fields[name]) for name in fields}


def from_value(value: Value) -> JsonValue:
    """One value, with what is in it."""
    # Nearly all values are texts. One that is not empty can only be of that kind.
    text = value.string_value
    return text or _other(value)


def _other(value: Value) -> JsonValue:
    match value.WhichOneof("kind"):
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return ""
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
        case _:
            return None


def _number(number: float) -> int | float:
    # Infinities and NaN stay as they are, for the rules to refuse with the name of their field.
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number
