"""What delete names by manifests; jobs that run are deleted in tests/execute."""

from __future__ import annotations

import pytest

from tests.cli.manifests import RUNTIME

JOB = """
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: own}
spec: {runtimeRef: {kind: TrainingRuntime, name: mine}}
"""
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


@pytest.mark.parametrize("words", [["cm", "c"], ["configmap/c"], ["ConfigMap", "c", "--ignore-not-found"]])
def test_a_config_map_is_deleted_by_its_type_and_name(home, words):
    home.path.parent.joinpath("c.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}")
    home.ok("apply", "-q", "-f", "c.yaml")
    assert home.ok("delete", *words) == 'configmap "c" deleted\n'
    assert home("get", "cm", "c").code == 1


def test_a_type_alone_is_no_name(home):
    done = home("delete", "cm")
    assert (done.code, "which cm? name one" in done.err) == (2, True)
    assert 'configmap "later" not found' in home("delete", "cm", "later").err


def test_the_runtime_that_run_kept_with_a_job_goes_with_it(kfrun):
    kfrun.write("train.py", "")
    text = RUNTIME + "---\n" + JOB
    kfrun.ok("run", "-q", "-f", str(kfrun.write("both.yaml", text)))
    again = kfrun("delete", "-f", "both.yaml")
    assert (again.returncode, again.stdout) == (0, 'trainjob.trainer.kubeflow.org "own" deleted\n')
    again = kfrun("delete", "-f", "both.yaml")
    assert (again.returncode, 'trainingruntime "mine" not found' in again.stderr) == (1, True)


def test_values_without_a_file_are_a_mistake(stored):
    done = stored("delete", "runtime/one", "--set", "name=two")
    assert (done.code, done.out) == (2, "")
    assert "-f FILE" in done.err
    assert len(names(stored)) == 2
