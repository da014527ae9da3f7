"""``--set``: values of templates, fields of TrainJobs, and what nobody uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kfrun.errors import UsageProblem
from kfrun.load import sources, values, variables

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.load.sources import Gathered

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: a
spec:
  trainer:
    numNodes: 1
    args: [--lr, "1", "{{ literal }}"]
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: b
"""
TEMPLATE = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: t}
spec: {trainer: {numNodes: {{ nodes | default(1) }}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "t.yaml.j2").write_text(TEMPLATE)
    (tmp_path / "j.yaml.j2").write_text(TEMPLATE.replace("name: t", "name: '{{ job.name | default(0) }}'"))
    return tmp_path


def gathered(*sets: str, names: tuple[str, ...] = ("job.yaml",)) -> Gathered:
    given = values.read((), sets)
    found = sources.gather(names, values=given)
    assert found.findings == ()
    given.require_used()
    return found


PATHS = {
    "spec.trainer.numNodes=3": (("spec", "trainer", "numNodes"), 3),
    "spec.trainer.args[1]=2": (("spec", "trainer", "args", 1), 2),
    "spec.trainer.args[3]=x": (("spec", "trainer", "args", 3), "x"),
    'spec.trainer.args=["a"]': (("spec", "trainer", "args"), ["a"]),
    "spec.suspend=true": (("spec", "suspend"), True),
    "spec.trainer.env[0].name=A": (("spec", "trainer", "env", 0, "name"), "A"),
    r"metadata.annotations.kfrun\.dev/source=src": (("metadata", "annotations", "kfrun.dev/source"), "src"),
    'metadata.annotations."kfrun.dev/source"=src': (("metadata", "annotations", "kfrun.dev/source"), "src"),
    "metadata.annotations[kfrun.dev/source]=src": (("metadata", "annotations", "kfrun.dev/source"), "src"),
    "spec.unknown.deep=1": (("spec", "unknown", "deep"), 1),
}


@pytest.mark.parametrize("text", PATHS)
@pytest.mark.usefixtures("folder")
def test_fields_of_trainjobs_are_set_and_the_flag_is_their_place(text: str) -> None:
    path, expected = PATHS[text]
    job, other = gathered(text).documents
    found = job.data
    for part in path:
        found = found[part]
    assert found == expected
    position = job.positions.value(path)
    assert (position.line, str(position)) == (0, f"--set {text.partition('=')[0]}")
    assert job.positions.value(("metadata", "name")).line == 4
    assert other.data["metadata"] == {"name": "b"}
    assert "{{ literal }}" in JOB


@pytest.mark.usefixtures("folder")
def test_a_manifest_stays_one_when_only_fields_are_set() -> None:
    job, _ = gathered("spec.trainer.numNodes=3").documents
    assert job.data["spec"]["trainer"]["args"][2] == "{{ literal }}"


@pytest.mark.usefixtures("folder")
def test_every_trainjob_of_the_input_is_set() -> None:
    found = gathered("spec.trainer.numNodes=3", names=("job.yaml", "t.yaml.j2")).documents
    assert [one.data["spec"]["trainer"]["numNodes"] for one in found if one.key.kind == "TrainJob"] == [3, 3]


def test_a_value_that_a_template_uses_is_no_field(folder: Path) -> None:
    (folder / "t.yaml").write_text(TEMPLATE.replace("nodes |", "spec.nodes |"))
    (job,) = gathered("spec.nodes=7", names=("t.yaml",)).documents
    assert job.data["spec"] == {"trainer": {"numNodes": 7}}


UNUSED = {
    "lr=0.5": (("job.yaml",), "--set lr: nothing in the input uses it", "--arg --lr=…"),
    "spec=1": (("job.yaml",), "--set spec: nothing", "fields are paths"),
    "node=3": (("t.yaml.j2",), "--set node: nothing", "did you mean nodes?; templates use nodes"),
    "job.nam=x": (("j.yaml.j2",), "--set job.nam: nothing", "did you mean job.name?"),
    "status.x=1": (("job.yaml",), "--set status.x: nothing", "fields are paths"),
    "spec.trainer.x=1": (("other.yaml",), "there is no TrainJob in the input", "name its manifest"),
}


@pytest.mark.parametrize("text", UNUSED)
def test_what_nothing_uses_is_refused_with_what_can_be_set(folder: Path, text: str) -> None:
    names, message, hint = UNUSED[text]
    (folder / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
    (folder / "job.yaml").write_text(JOB.replace("{{ literal }}", "x"))
    with pytest.raises(UsageProblem, match=message.replace("[", r"\[")) as refused:
        gathered(text, names=names)
    assert hint in (refused.value.hint or "")


@pytest.mark.usefixtures("folder")
def test_what_a_file_of_values_has_beyond_what_is_used_is_let_pass(folder: Path) -> None:
    (folder / "v.yaml").write_text("nodes: 2\nother: 1\n")
    given = values.read(("v.yaml",))
    (job,) = sources.gather(("t.yaml.j2",), values=given).documents
    given.require_used()
    assert job.data["spec"]["trainer"]["numNodes"] == 2


@pytest.mark.usefixtures("folder")
def test_a_list_of_a_manifest_has_no_gaps() -> None:
    with pytest.raises(UsageProblem, match="the list has 3 items"):
        gathered("spec.trainer.args[4]=x")


USES = {
    "{{ a }}": {("a",)},
    "{{ a.b.c }} {{ a['d'][0] }}": {("a", "b", "c"), ("a", "d", 0)},
    "{{ a[key] }}": {("a",), ("key",)},
    "{% for x in a.list %}{{ x.y }}{% endfor %}": {("a", "list")},
    "{% set b = a %}{{ b.c }}": {("a",)},
    "{{ a.items() | list }}{{ a.b.get('c') }}": {("a",), ("a", "b")},
    "{{ a.b | default(c.d) }}": {("a", "b"), ("c", "d")},
    "{{ range(n) }}{{ dict(a=1) }}": {("n",)},
    "{% if a is defined and b.c %}{% endif %}": {("a",), ("b", "c")},
    "{{ a[1:] }}": {("a",)},
    "{{ a": set(),
    "plain": set(),
}


@pytest.mark.parametrize("text", USES)
def test_what_a_template_uses_is_known(text: str) -> None:
    assert variables.of(text) == USES[text]
