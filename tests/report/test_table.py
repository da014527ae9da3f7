from __future__ import annotations

import pytest

from kfrun.report.table import Table, age, clean, epoch, human_duration, width

MINUTE, HOUR, DAY = 60, 3600, 86400


def test_columns_are_three_blanks_apart():
    text = Table(["NAME", "AGE"]).render([["mnist", "3m"], ["a-long-name", "12d"]])
    assert text == "NAME          AGE\nmnist         3m\na-long-name   12d\n"


def test_narrow_columns_have_six_places_as_kubectls():
    assert Table(["A", "B"]).render([["1", "2"]]) == "A     B\n1     2\n"


def test_no_rows_no_header():
    table = Table(["NAME"])
    assert table.render([]) == ""
    assert table.render([["a"]]) == "NAME\na\n"


def test_rows_of_later_calls_stay_aligned_without_a_second_header():
    table = Table(["NAME", "STATE"])
    table.render([["a-long-name", "Running"]])
    assert table.render([["b", "Failed"]]) == "b             Failed\n"


def test_headers_can_be_left_out():
    assert Table(["NAME", "AGE"], headers=False).render([["a", "1s"]]) == "a     1s\n"


def test_wide_characters_take_two_places():
    lines = Table(["NAME", "X"]).render([["日本", "1"], ["éa", "2"], ["e\u0301a", "3"]]).splitlines()
    assert [line.rstrip("123X") for line in lines] == ["NAME   ", "日本   ", "éa     ", "e\u0301a     "]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("é", 1), ("→ …", 3),
        ("☕", 2), ("\u2764", 1), ("\u2764\ufe0f", 2),  # the last one asks for the heart as an emoji
        ("\U0001f44d\U0001f3fd", 2),  # a thumb and the colour of its skin
        ("\U0001f1e9\U0001f1ea", 2),  # two letters that are a flag
        ("\U0001f469\u200d\U0001f680", 2), ("\U0001f468\u200d\U0001f469\u200d\U0001f467", 2),  # joined: one picture
    ],
)  # fmt: skip
def test_width(text, columns):
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain ✓", "plain ✓"), ("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"), ("a\tb\u202e", "a\\tb\\u202e")],
)
def test_cells_cannot_command_the_terminal(text, expected):
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"), (0, "0s"), (59.9, "59s"), (119, "119s"), (120, "2m"), (200, "3m20s"), (599, "9m59s"), (600, "10m"),
        (3 * HOUR - 1, "179m"), (3 * HOUR, "3h"), (3 * HOUR + MINUTE, "3h1m"), (8 * HOUR, "8h"), (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"), (2 * DAY + HOUR, "2d1h"), (8 * DAY, "8d"), (700 * DAY, "700d"), (730 * DAY, "2y"),
        (760 * DAY, "2y30d"), (3000 * DAY, "8y"),
    ],
)  # fmt: skip
def test_durations_as_kubectl_writes_them(seconds, text):
    assert human_duration(seconds) == text


def test_ages():
    assert age("2026-11-21T08:00:00Z", epoch("2026-11-21T08:00:45Z")) == "45s"
    assert age("2026-11-21T08:00:00.5+01:00", epoch("2026-11-21T07:00:10Z")) == "9s"
    assert age(None, 0) == age("yesterday", 0) == "<unknown>"
