"""What delete names by manifests; jobs that run are deleted in tests/execute."""

from __future__ import annotations

import pytest

from tests.cli.manifests import RUNTIME

TEMPLATE = RUNTIME.replace("name: mine", "name: {{ name }}")


@pytest.fixture
def stored(home):
    """A home with the runtimes one and two."""
    home.path.parent.joinpath("runtime.yaml").write_text(TEMPLATE)
    for name in ("one", "two"):
        home.ok("apply", "-q", "-f", "runtime.yaml", "--set", f"name={name}")
    return home


def names(home):
    return home.ok("get", "trainingruntimes", "-o", "name").split()


@pytest.mark.parametrize("given", [["--set", "name=two"], ["--set-string", "name=two"], ["--values", "values.yaml"]])
def test_a_template_is_rendered_with_the_values_and_names_what_goes(stored, given):
    stored.path.parent.joinpath("values.yaml").write_text("name: two\n")
    assert len(names(stored)) == 2
    assert '"two" deleted' in stored.ok("delete", "-f", "runtime.yaml", *given)
    assert [name.rpartition("/")[2] for name in names(stored)] == ["one"]


def test_a_template_without_its_values_deletes_nothing(stored):
    stored.path.parent.joinpath("runtime.yaml.j2").write_text(TEMPLATE)
    done = stored("delete", "-f", "runtime.yaml.j2")
    assert done.code == 1
    assert "KF121" in done.err
    assert len(names(stored)) == 2


def test_values_without_a_file_are_a_mistake(stored):
    done = stored("delete", "runtime/one", "--set", "name=two")
    assert (done.code, done.out) == (2, "")
    assert "-f FILE" in done.err
    assert len(names(stored)) == 2
