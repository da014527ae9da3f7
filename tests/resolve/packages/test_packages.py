from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kfrun.errors import InvalidInput
from kfrun.load import lines
from kfrun.resolve import packages


@pytest.mark.parametrize(
    ("runtime", "trainer", "expected"),
    [
        ((), (), ()),
        (("torch==1.9.0", "numpy"), ("torch==2.0.0", "scipy"), ("numpy", "torch==2.0.0", "scipy")),
        (("torch",), (), ("torch",)),
        ((), ("b", "a"), ("b", "a")),
        (("Foo.Bar>=1", "x"), ("foo-bar",), ("x", "foo-bar")),
        (("foo_bar[extra]>=1; python_version>='3.9'",), ("Foo-Bar==2",), ("Foo-Bar==2",)),
        (("a @ https://example.org/a.whl",), ("a==1",), ("a==1",)),
        (("a==1",), ("a @ https://example.org/a.whl",), ("a @ https://example.org/a.whl",)),
        (
            ("a==1; python_version<'3.9'", "a==2; python_version>='3.9'", "b"),
            ("a==3",),
            ("b", "a==3"),
        ),
        (("a",), ("a; sys_platform=='linux'", "a==1; sys_platform!='linux'"), None),
    ],
)
def test_trainer_entries_replace_runtime_entries_of_the_same_name(runtime, trainer, expected):
    assert packages.merge(runtime, trainer) == (trainer if expected is None else expected)


@pytest.mark.parametrize(
    ("first", "second", "exclusive"),
    [
        ("a==1", "a==2", False),
        ("a", "A", False),
        ("a-b", "a_b", False),
        ("a; python_version<'3.9'", "a; python_version>='3.9'", True),
        ("a; python_version<'3.10'", "a; python_version>='3.9'", False),
        ("a; python_version<'3.9'", "a; python_version>'3.9'", True),
        ("a; python_version=='3.9.*'", "a; python_version!='3.9.*'", True),
        ("a; python_version<='3.9'", "a; python_version>='3.9'", False),
        ("a; python_full_version<'3.9.2'", "a; python_version>='3.10'", True),
        ("a; python_full_version<'3.9.2'", "a; python_version>='3.9'", False),
        ("a; sys_platform=='linux'", "a; sys_platform=='darwin'", True),
        ("a; sys_platform=='linux'", "a; sys_platform!='linux'", True),
        ("a; sys_platform=='linux'", "a; sys_platform!='win32'", False),
        ("a; 'linux' in sys_platform", "a; 'linux' not in sys_platform", True),
        ("a; sys_platform=='linux'", "a; platform_machine=='x86_64'", False),
        (
            "a; sys_platform=='linux' and python_version<'3.9'",
            "a; sys_platform=='linux' and python_version>='3.9'",
            True,
        ),
        ("a; sys_platform=='linux'", "a", False),
    ],
)
def test_duplicates_are_refused_unless_markers_exclude_each_other(first, second, exclusive):
    if exclusive:
        assert packages.merge([], [first, second]) == (first, second)
        assert packages.merge([], [second, first]) == (second, first)
    else:
        with pytest.raises(InvalidInput) as caught:
            packages.merge([], [first, second])
        (finding,) = caught.value.findings
        assert finding.code == "KF412"
        assert "duplicate requirement" in finding.message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("torch=2.0", "did you mean torch==2.0?"),
        ("-r requirements.txt", "kfrun.dev/requirements: requirements.txt"),
        ("requirements.txt", "kfrun.dev/requirements: requirements.txt"),
        ("pyproject.toml", "kfrun.dev/requirements: pyproject.toml"),
        ("--extra-index-url https://example.com/simple", "pip-index-urls"),
        ("--no-deps", "belong into a requirements file"),
        ("-e git+https://example.com/a", "leave -e out: name @ git+https://example.com/a"),
        ("-e numpy", "-e ./path"),
        ("git+https://example.org/a", "name @ git+https://example.org/a"),
        ("a b", "one PEP 508 requirement a line"),
        ("a>=", "one PEP 508 requirement a line"),
        ("", "one PEP 508 requirement a line"),
    ],
)
def test_a_bad_requirement_is_a_finding_with_a_way_out(text, hint):
    with pytest.raises(InvalidInput) as caught:
        packages.merge([text], [])
    (finding,) = caught.value.findings
    assert finding.code == "KF411"
    assert hint in finding.hint


@given(st.from_regex(re.compile(packages._PLAIN.pattern, packages._PLAIN.flags), fullmatch=True))
def test_what_is_read_without_packaging_means_the_same_to_packaging(text):
    ((read,), bad) = packages.parse([lines.Line(0, text)])
    parsed = Requirement(text)
    assert not bad
    assert read.name == canonicalize_name(parsed.name)
    assert parsed.marker is None
    assert parsed.url is None


def test_plain_requirements_do_not_load_packaging():
    code = (
        "import sys; from kfrun.resolve import packages;"
        "packages.merge(['torch', 'numpy>=2,<3'], ['a-b.c==1.2']); sys.exit('packaging' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_list_has_one_entry_a_line():
    text = "\n# header\ntorch>=2  # why\n\n  a @ https://example.org/a.whl#sha256=abc\n"
    assert lines.entries(text) == [(2, "torch>=2"), (4, "a @ https://example.org/a.whl#sha256=abc")]
