from __future__ import annotations

import pytest

from kfrun.validate.admission import quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("1", "1"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("1.5Ki", "1536"),
        ("2048", "2048"),
        ("2000", "2k"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.1", "100m"),
        (".5", "500m"),
        ("1.500", "1.500"),
        ("1.50", "1500m"),
        ("1e1", "10"),
        ("1e3", "1e3"),
        ("1E2", "100"),
        ("1E", "1E"),
        ("0Gi", "0"),
        ("0.1n", "1n"),
    ],
)
def test_canonical_text_is_that_of_the_api_server(text, expected):
    assert quantity.canonical(text) == expected


@pytest.mark.parametrize("text", ["", "Gi", "1K", "1 Gi", "one", "1.2.3", "--1", "1ii", "٣", "9" * 101])
def test_other_texts_are_no_quantities(text):
    assert quantity.canonical(text) is None
    assert quantity.ceiling(text) == 0


@pytest.mark.parametrize(("text", "expected"), [("2500m", 3), ("100m", 1), ("2", 2), ("1Ki", 1024), ("0", 0)])
def test_ceiling_rounds_up(text, expected):
    assert quantity.ceiling(text) == expected


def test_amounts_beyond_int64_are_capped():
    assert quantity.nanos("1e100") == quantity.nanos("9e99") == (2**63 - 1) * 10**9
