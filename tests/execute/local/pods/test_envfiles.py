"""Files of variables, as the parser of Kubernetes' kubelet (release 1.35) reads them."""

from __future__ import annotations

import pytest

from kfrun.execute.local.pods import envfiles


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K='v'", "v"),
        ("A='b'\nK='v'\n", "v"),
        ("\n  \t\n# K='no'\n  # K='no'\n  K='v'  # why\r\n", "v"),
        ("K='$HOME \\n \"x\" # y'", '$HOME \\n "x" # y'),
        ("K='one\ntwo\n\nthree' # end", "one\ntwo\n\nthree"),
        ("A='\nK=no\n'\nK='v'", "v"),
        ("K= 'v'", ""),
        ("K=''", ""),
        ("", ""),
        ("k='v'", ""),
        ("K='v'\nwhat comes behind it", "v"),
        ("K='first'\nK='second'", "first"),
    ],
)
def test_a_value_is_what_a_kubelet_finds(text: str, value: str) -> None:
    assert envfiles.value(text, "K") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("K=v", "line 1: the value must stand between single quotes, as in KEY='VALUE'"),
        ('K="v"', "line 1: the value must stand between single quotes, as in KEY='VALUE'"),
        ("K=", "line 1: the value must stand between single quotes, as in KEY='VALUE'"),
        ("A='b'\n\nsecret", "line 3 is no KEY='VALUE'"),
        (" ='b'", "line 1 is no KEY='VALUE'"),
        ("K ='b'", "line 1: a blank stands before ="),
        ("A='b\nK='v'", "line 1: only a comment may stand behind the closing quote"),
        ("A='b'c", "line 1: only a comment may stand behind the closing quote"),
        ("\nA='b\n", "line 2: the single quote is never closed"),
    ],
)
def test_a_line_that_a_kubelet_refuses_is_named_without_what_it_says(text: str, message: str) -> None:
    with pytest.raises(envfiles.BadLine) as caught:
        envfiles.value(text, "K")
    assert str(caught.value) == message
