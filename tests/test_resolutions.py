"""Other versions than the pinned ones are really those that are tested, and a failure says which they were."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement

from tests import conftest, resolutions
from tests.constraints import ROOT, requirements

LOWEST = {
    requirement.name.lower(): next(one.version for one in requirement.specifier if one.operator in (">=", "=="))
    for requirement in map(Requirement, requirements())
    if requirement.name in ("click", "jinja2", "pyyaml", "jsonschema", "uv", "pytest")
}
FAILING = """
import warnings


def test_of_what_will_go_away():
    warnings.warn("soon", DeprecationWarning)


def test_that_fails():
    assert False
"""


def test_the_fast_part_is_there_and_the_longest_files_are():
    names = (*resolutions.FAST, *resolutions.LEFT_OUT, *(f"tests/{name}" for name in conftest.LONGEST))
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_a_failure_is_told_with_the_versions(tmp_path):
    """They are the lowest; what is deprecated is no failure."""
    path = tmp_path / "test_failing.py"
    path.write_text(FAILING)
    with pytest.raises(resolutions.ResolutionFailed) as caught:
        resolutions.check("lowest", (str(path),))
    said, _, versions = str(caught.value).partition("\npip freeze:\n")
    assert re.findall(r"^FAILED .*::(\w+)", said, re.MULTILINE) == ["test_that_fails"]
    assert "1 failed, 1 passed, 1 warning" in said
    found = dict(line.lower().split("==") for line in versions.splitlines() if "==" in line)
    for name, version in LOWEST.items():
        assert re.fullmatch(rf"{re.escape(version)}(\.0)*", found[name]), (name, found[name])


def test_versions_that_do_not_exist_fail_by_name(monkeypatch, capsys):
    monkeypatch.setattr(resolutions, "RESOLUTIONS", {"lowest": "no-such"})
    assert resolutions.main() == 1
    assert capsys.readouterr().out.endswith("FAILED: the lowest versions that pyproject.toml allows\n")


def test_both_are_run(capsys):
    assert resolutions.main(("tests/model",)) == 0
    ends = re.findall(r"^(\w+): the (\w+) versions that pyproject\.toml allows$", capsys.readouterr().out, re.MULTILINE)
    assert ends == [("passed", "newest"), ("passed", "lowest")]
