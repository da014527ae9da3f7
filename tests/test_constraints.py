"""The pinned test environment is what pyproject.toml asks for, whole, and for every Python that it names."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.constraints import FILE, ROOT, oldest_python, requirements, uv

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [found[1] for item in PROJECT["classifiers"] if (found := re.fullmatch(r".*Python :: (3\.\d+)", item))]


def pins(text: str) -> dict[str, str]:
    """Name -> version; every line is a pin."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line)
            (version,) = requirement.specifier
            assert (version.operator, requirement.name in found) == ("==", False), line
            found[canonicalize_name(requirement.name)] = version.version
    return found


PINS = pins(FILE.read_text())


@pytest.mark.parametrize("asked", requirements())
def test_what_is_asked_for_is_pinned_within_its_bounds(asked):
    requirement = Requirement(asked)
    assert requirement.specifier, "a lower bound says what the tests have been run with"
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_the_oldest_python_is_one_that_is_named():
    assert oldest_python() == PYTHONS[0]


# Asks the package index, in which nothing newer can change the answer.
@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_hold_for_every_python_and_nothing_is_left_open(python):
    options = ("--quiet", "--no-header", "--no-annotate", "--only-binary=:all:", f"--constraint={FILE}")
    done = uv("pip", "compile", *options, f"--python-version={python}", "-", text="\n".join(requirements()))
    assert done.returncode == 0, done.stdout
    found = pins(done.stdout)
    assert {name: PINS.get(name) for name in found} == found
