from __future__ import annotations

import math

import pytest

from kfrun.load.kubeyaml.scalars import BadScalar, json_value, key_text, plain, resolve

PREFIX = "tag:yaml.org,2002:"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0b" + "1" * 64, 2**64 - 1),
        ("0b" + "1" * 65, "0b" + "1" * 65),
        ("0x1FFFFFFFFFFFFFFFF", "0x1FFFFFFFFFFFFFFFF"),
        ("07777777777777777777777777", 7777777777777777777777777.0),
        ("-0x8000000000000000", -(2**63)),
        ("+18446744073709551615", 18446744073709551615.0),
        ("0" * 100 + "7", 7),
        ("9" * 400, "9" * 400),
        ("1e-400", 0.0),
        (".5_0", 0.5),
        (".5__0", ".5__0"),
        ("1_e3", 1000.0),
        ("-_", "-_"),
        ("\uff11\uff12", "\uff11\uff12"),
        ("1\uff12", "1\uff12"),
    ],
)
def test_plain_numbers_are_typed_as_go_yaml_types_them(text: str, expected: object) -> None:
    value = plain(text)
    assert (type(value), value) == (type(expected), expected)


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        ("float", "1", 1.0),
        ("float", "010", 8.0),
        ("int", "0x10", 16),
        ("timestamp", "2026-1-1", "2026-1-1"),
        ("timestamp", "2026-01-01T10:00:00.5Z", "2026-01-01T10:00:00.5Z"),
        ("timestamp", "2026-01-01 1:2:3", "2026-01-01 1:2:3"),
        ("binary", "aG\nk=", "hi"),
        ("binary", "/w==", "\ufffd"),
        ("map", "1", "1"),
    ],
)
def test_tagged_texts_are_read_by_their_tag(tag: str, text: str, expected: object) -> None:
    value = resolve(PREFIX + tag, text, is_plain=False)
    assert (type(value), value) == (type(expected), expected)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("int", "1.5"),
        ("int", "x"),
        ("bool", "1"),
        ("null", "x"),
        ("float", "x"),
        ("float", "18446744073709551615"),
        ("timestamp", "2026-13-01"),
        ("timestamp", "2026-01-01T10:00:00"),
        ("timestamp", "x"),
        ("binary", "a"),
    ],
)
def test_a_text_that_does_not_fit_its_tag_is_refused(tag: str, text: str) -> None:
    with pytest.raises(BadScalar, match=tag):
        resolve(PREFIX + tag, text, is_plain=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, 1),
        (-0.0, 0),
        (1e15, 10**15),
        (123456789012345677.0, 123456789012345680),
        (9.2e18, 9200000000000000000),
        (9.3e18, 9.3e18),
        (1e21, 1e21),
        (-1.5, -1.5),
        (True, True),
        (None, None),
        (2**64 - 1, 2**64 - 1),
    ],
)
def test_whole_floats_become_integers_in_json(value: float | None, expected: object) -> None:
    found = json_value(value)
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_json_has_no_infinities(value: float) -> None:
    with pytest.raises(BadScalar, match="cannot be sent"):
        json_value(value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1e3", "1000"),
        ("1e6", "1e+06"),
        ("123456.7", "123456.7"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("3.14159265358979", "3.1415927"),
        ("16777217.0", "1.6777216e+07"),
        ("3.4028235e38", "3.4028235e+38"),
        ("1e39", ".inf"),
        ("-1e39", "-.inf"),
        ("1e-45", "1e-45"),
        ("1e-50", "0"),
        ("-0.0", "-0"),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("08", "8"),
        ("18446744073709551616", "1.8446744e+19"),
        ("9223372036854775807", "9223372036854775807"),
        ("yes", "true"),
        ("Off", "false"),
        ("0x10", "16"),
        ("name", "name"),
    ],
)
def test_keys_become_the_names_that_kubectl_gives_them(text: str, name: str) -> None:
    assert key_text(plain(text)) == name


@pytest.mark.parametrize("text", ["null", "~", "9223372036854775808"])
def test_some_keys_have_no_name(text: str) -> None:
    with pytest.raises(BadScalar, match="a key cannot be"):
        key_text(plain(text))
