"""ConfigMaps, Secrets, keys and claims that are nowhere are told before a job starts, and refused by --strict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.manifests import PATCH, job

if TYPE_CHECKING:
    from tests.conftest import Kfrun

JOB = f"""\
{job("import os; print(os.environ['LEVEL'])")}\
    env:
    - name: LEVEL
      valueFrom: {{%s}}
"""
OPTIONAL = "configMapKeyRef: {name: nowhere, key: level, optional: true}"
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {%s: high}
"""


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("configMapKeyRef: {name: settings, key: level}", "there is no ConfigMap settings, neither in the input nor"),
        ("secretKeyRef: {name: token, key: level}", "there is no Secret token, neither in the input nor stored"),
    ],
)
def test_what_is_nowhere_is_told_where_it_is_named_and_refused_by_strict(
    kfrun: Kfrun, reference: str, said: str
) -> None:
    kfrun.write("job.yaml", JOB % reference)
    done = kfrun("plan", "job.yaml")
    assert done.returncode == 0
    assert f"job.yaml:12:18: warning KF510: {said}" in done.stderr
    strict = kfrun("plan", "--strict", "job.yaml", "-o", "json")
    assert strict.returncode == 1
    (refusal,) = json.loads(strict.stdout)["refusals"]
    assert (refusal["code"], refusal["line"], refusal["severity"]) == ("KF510", 12, "error")
    for verb in ("run", "apply", "create"):
        assert f"error KF510: {said}" in kfrun(verb, "--strict", "-f", "job.yaml").stderr
    assert kfrun("get", "trainjob", "job").returncode == 1


def test_what_is_in_the_input_or_stored_is_found_and_a_key_that_is_missing_is_told(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", JOB % "configMapKeyRef: {name: settings, key: level}")
    kfrun.write("settings.yaml", SETTINGS % "other")
    said = "job.yaml:12:18: warning KF510: ConfigMap settings has no key level: the pod waits until it is there"
    assert said in kfrun("plan", "settings.yaml", "job.yaml").stderr
    kfrun.ok("apply", "-f", "settings.yaml")
    assert said in kfrun("plan", "job.yaml").stderr
    kfrun.write("settings.yaml", SETTINGS % "level")
    assert "KF510" not in kfrun("plan", "settings.yaml", "job.yaml").stderr
    kfrun.ok("apply", "-f", "settings.yaml")
    done = kfrun("run", "--strict", "-f", "job.yaml")
    assert (done.returncode, done.stdout, "KF510" in done.stderr) == (0, "high\n", False)
    kfrun.ok("delete", "-f", "settings.yaml")
    assert "the stored TrainJob job:" in (again := kfrun("rerun", "--strict", "job").stderr)
    assert "error KF510: there is no ConfigMap settings" in again


def test_what_may_be_missing_is_not_looked_for(kfrun: Kfrun) -> None:
    kfrun.write("job.yaml", JOB % OPTIONAL)
    assert "KF510" not in kfrun("plan", "--strict", "job.yaml").stderr


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        ("{name: v, persistentVolumeClaim: {claimName: data}}", "PersistentVolumeClaim data, neither in the input"),
        ("{name: v, configMap: {name: files, items: [{key: a, path: a}]}}", "ConfigMap files, neither in the input"),
        ("{name: v, projected: {sources: [{secret: {name: token}}]}}", "Secret token, neither in the input nor stored"),
    ],
)
def test_volumes_are_looked_at_too(kfrun: Kfrun, volume: str, said: str) -> None:
    kfrun.write("job.yaml", JOB % OPTIONAL + PATCH % f"volumes: [{volume}]")
    done = kfrun("plan", "job.yaml")
    assert f"warning KF510: there is no {said}" in done.stderr
    assert done.stderr.count("KF510") == 1
    assert kfrun("plan", "--strict", "job.yaml").returncode == 1
