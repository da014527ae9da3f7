"""Go's expressions for messages, as they are searched here."""

from __future__ import annotations

import pytest

from kfrun.plan.support import messagepatterns

MESSAGE = "Container node for pod ns/job-node-0-0-abcde failed with exit code 42 matching FailJob rule at index 0"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("exit code 42", True),
        (r"exit code (42|43)", True),
        ("|".join(map(str, range(50))), True),
        (r"^.*? failed with exit code 4?2 .*$", True),
        (r"^Container \w+ for pod [[:alpha:]]+/job-node-.* exit code \d", True),
        (r"index 0\z", True),
        ("(?i)CONTAINER NODE", True),
        ("exit code 4$", False),
        ("", True),
        ("(", False),
        ("a**", False),
        ("(a+)+b", False),
    ],
)
def test_a_pattern_is_searched_as_go_would(pattern: str, found: bool) -> None:
    assert messagepatterns.is_found(pattern, MESSAGE) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|a)*b",
        "(?:a?){9}b",
        ".*.*.*.*b",
        "a{2,}a+a*a*",
        "(",
        "a{99999999999}",
        "a" * 1001,
        ".?" * 13 + "X",
        "(.|.)" * 13,
    ],
)
def test_what_may_take_for_ever_is_not_searched(pattern: str) -> None:
    assert not messagepatterns.is_usable(pattern)
