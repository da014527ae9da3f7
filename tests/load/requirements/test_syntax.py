"""A requirements file is read as pip reads it."""

from __future__ import annotations

import time

import pytest

from kfrun.load.requirements import syntax


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("numpy\n# comment\n\n  scipy  # why\n", [(1, "numpy"), (4, "scipy")]),
        ("numpy>=2 \\\n  ; python_version > '3'\n", [(1, "numpy>=2   ; python_version > '3'")]),
        ("numpy \\\n# a comment ends it\nscipy\n", [(1, "numpy"), (3, "scipy")]),
        ("a#b\na #b\n#\n", [(1, "a#b"), (2, "a")]),
        (
            "torch \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nnumpy\n",
            [(1, "torch     --hash=sha256:aa     --hash=sha256:bb"), (4, "numpy")],
        ),
        ("one\\", [(1, "one")]),
        ("one\\\n", [(1, "one")]),
        ("\r\none\r\ntwo\rthree\n", [(2, "one"), (3, "two"), (4, "three")]),
        (
            "-r other.txt --index-url https://example.com/simple # both\n",
            [(1, "-r other.txt --index-url https://example.com/simple")],
        ),
    ],
)
def test_logical_lines_are_those_of_pip(text, lines):
    """What ``preprocess`` of pip 23 makes of them."""
    assert [(line.number, line.text) for line in syntax.logical_lines(text)] == lines


@pytest.mark.parametrize(
    ("text", "requirement", "options"),
    [
        ("numpy>=2", "numpy>=2", ()),
        ("-r base.txt", "", (("--requirement", "base.txt"),)),
        ("-rbase.txt", "", (("--requirement", "base.txt"),)),
        ("--requirement=base.txt", "", (("--requirement", "base.txt"),)),
        ("-c 'a b.txt'", "", (("--constraint", "a b.txt"),)),
        ("-e .[train]", "", (("--editable", ".[train]"),)),
        ("-i https://e.com/s --pre", "", (("--index-url", "https://e.com/s"), ("--pre", ""))),
        ("a==1 --hash=sha256:x --hash sha256:y", "a==1", (("--hash", "sha256:x"), ("--hash", "sha256:y"))),
        ("a ; sys_platform == 'win32' --hash=sha256:x", "a ; sys_platform == 'win32'", (("--hash", "sha256:x"),)),
    ],
)
def test_a_line_is_a_requirement_or_options(text, requirement, options):
    assert syntax.parsed(text) == syntax.Parsed(requirement, options)


@pytest.mark.parametrize(
    ("text", "wrong", "hint"),
    [
        ("--no-deps", "--no-deps is no option of a requirements file", "did you mean"),
        ("-U", "-U is no option", "allowed: --requirement"),
        ("--extra-index x", "--extra-index is no option", "--extra-index-url?"),
        ("-e . ; python_version > '3'", '";" stands behind an option', "no marker"),
        ("-e a b", '"b" stands behind an option', "quotes"),
        ("-r", "needs a value", "VALUE"),
        ("-f 'a", "quotation", "close the quotes"),
        ("numpy --pre", "--pre stands behind a requirement", "line of its own"),
        ("--hash=sha256:x", "--hash belongs to no requirement", "name==version"),
    ],
)
def test_what_is_wrong_in_a_line_is_told_with_a_way_out(text, wrong, hint):
    found = syntax.parsed(text)
    assert wrong in found.wrong
    assert hint in found.hint


@pytest.mark.parametrize(
    "raw",
    [
        "caf\u00e9".encode(),
        b"\xef\xbb\xbfcaf\xc3\xa9",
        "caf\u00e9".encode("utf-16"),
        b"\xfe\xff" + "caf\u00e9".encode("utf-16-be"),
        "# -*- coding: latin-1 -*-\ncaf\u00e9".encode("latin-1"),
        "\n# vim: set fileencoding=cp1252 :\ncaf\u00e9".encode("cp1252"),
    ],
)
def test_an_encoding_is_told_by_a_mark_or_a_comment(raw):
    assert syntax.decoded(raw).splitlines()[-1] == "caf\u00e9"


@pytest.mark.parametrize("raw", [b"caf\xe9", b"\xff\xfea", b"# coding: nonsense\ncaf\xe9"])
def test_any_other_text_is_refused(raw):
    with pytest.raises(UnicodeDecodeError):
        syntax.decoded(raw)


@pytest.mark.parametrize("unit", ["a\\\n", "# \n", "a # b", "--hash=a ", "-e ", "' "])
def test_a_megabyte_is_read_in_a_second(unit):
    start = time.process_time()
    for line in syntax.logical_lines(unit * (1_000_000 // len(unit))):
        syntax.parsed(line.text[:100_000])
    assert time.process_time() - start < 5


def test_lines_are_counted_as_editors_do_where_pip_ends_more_of_them():
    found = list(syntax.logical_lines("a\x0cb\n  c\x1dd\r\n# x\ne \\\n  f\n"))
    assert [(line.number, line.column, line.text) for line in found] == [
        (1, 1, "a"), (1, 3, "b"), (2, 3, "c"), (2, 5, "d"), (4, 1, "e   f"),
    ]  # fmt: skip
