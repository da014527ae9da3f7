"""``validate --trainer-version`` for several releases at once."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kfrun.__main__ import main
from tests.cli.manifests import JOB, RUNTIME

if TYPE_CHECKING:
    from tests.conftest import Kfrun

NEW = JOB.replace("[python, train.py]", "[python, -V]") + "  runtimePatches:\n  - manager: acme.com/x\n"
SOUND = JOB.replace("[python, train.py]", "[python, -V]").replace("mnist", "sound")


@pytest.fixture
def validate(no_home, capsys):
    Path("job.yaml").write_text(f"{NEW}---\n{SOUND}")

    def run(*arguments, code):
        assert main(["validate", "job.yaml", *arguments]) == code
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("versions", [("2.1", "v2.3.1"), ("v2.1,2.3.1",), ("v2.1.0, v2.3", "2.3")])
def test_one_table_tells_what_each_release_says(validate, versions):
    flags = [word for version in versions for word in ("--trainer-version", version)]
    shown = validate(*flags, code=1)
    header, first, second = (line.split() for line in shown.splitlines()[-3:])
    assert header == ["SOURCE", "OBJECT", "v2.1", "v2.3"]
    assert first == ["job.yaml", "trainjob.trainer.kubeflow.org/mnist", "1", "refused", "valid"]
    assert second[2:] == ["valid", "valid"]
    assert "[v2.1]" in shown
    assert "refused" not in validate(*flags, "-q", code=1)


def test_what_every_release_says_is_said_once_and_programs_read_it_too(validate):
    Path("job.yaml").write_text(NEW.replace("trainer:\n", "trainr:\n"))
    report = json.loads(validate("--trainer-version", "2.2,2.3", "-o", "json", code=1))
    (found,) = [one for one in report["findings"] if "trainr" in one["message"]]
    assert "[" not in found["message"]


@pytest.mark.parametrize("version", ["2.2", "v2.2", "2.2.0", "v2.2.11"])
def test_a_release_is_called_as_its_tags_and_packages_are(validate, version):
    Path("job.yaml").write_text(SOUND)
    assert "is valid" in validate("--trainer-version", version, code=0)


@pytest.mark.parametrize("version", ["2", "v2.2.x", "2.2,", "latest", "9.9", "2.2-rc1"])
def test_what_is_no_release_is_refused(validate, version):
    validate("--trainer-version", version, code=2)


def test_the_input_is_read_once_and_older_objects_go_by_one_release(no_home, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SOUND.encode())))
    assert main(["validate", "-", "--trainer-version", "2.2,2.3"]) == 0
    Path("job.yaml").write_text(SOUND)
    line = ["validate", "job.yaml", "--previous", "job.yaml"]
    assert main([*line, "--trainer-version", "2.2,2.3"]) == 2
    assert main([*line, "--trainer-version", "2.2"]) == 0


CLUSTERS = """
[clusters.prod]
trainer-version = "2.1"
registries = ["registry.example.com/"]
[clusters.lab]
trainer-version = "v2.3"
runtimes = ["rt.yaml"]
"""


def test_a_file_of_clusters_is_asked_in_one_table(no_home, capsys):
    Path("deep").mkdir()
    Path("deep/clusters.toml").write_text(CLUSTERS)
    Path("deep/rt.yaml").write_text(RUNTIME)
    own = SOUND.replace("name: plain-python", "kind: TrainingRuntime\n    name: mine").replace("sound", "own")
    own += "    image: registry.example.com/x:1\n"
    image = f"{SOUND}    image: docker.io/acme/x:1\n".replace("sound", "image")
    Path("job.yaml").write_text(f"{SOUND}---\n{own}---\n{image}")
    assert main(["validate", "job.yaml", "--clusters", "deep/clusters.toml"]) == 1
    shown = capsys.readouterr().out
    rows = [line.split()[2:] for line in shown.splitlines()[-4:]]
    assert rows == [["prod", "lab"], ["valid", "valid"], ["1", "refused", "valid"], ["1", "refused", "valid"]]
    assert ["KF718" in shown, "KF401" in shown, "[prod]" in shown, "[lab]" in shown] == [True, True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no cluster"),
        ("[clusters.a]\nversion = 1\n", "clusters.a.version: unknown key"),
        ("[clusters.a]\ntrainer-version = 2\n", "expected a text"),
        ('[clusters.a]\nruntimes = "x"\n', "expected a list of texts"),
        ("[clusters\n", "cannot be read as TOML"),
        ('[clusters]\na = "x"\n', "expected a table"),
    ],
)
def test_a_wrong_file_of_clusters_is_told(no_home, capsys, text, message):
    Path("job.yaml").write_text(SOUND)
    Path("c.toml").write_text(text)
    assert main(["validate", "job.yaml", "--clusters", "c.toml"]) == 2
    assert message in capsys.readouterr().err
    assert main(["validate", "job.yaml", "--clusters", "absent.toml"]) == 1
    assert main(["validate", "job.yaml", "--clusters", "c.toml", "--trainer-version", "2.2"]) == 2


SHIPPED = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: tj}
spec:
  runtimeRef: {name: RUNTIME}
"""


@pytest.mark.parametrize(
    ("runtime", "version", "named"),
    [
        ("jax-distributed", "v2.1", "spec.mlPolicy.jax"),
        ("flux-distributed", "v2.0", "spec.mlPolicy.flux"),
        ("torchtune-llama3.2-1b", "v2.0", "spec.template.spec.volumeClaimPolicies"),
        ("jax-distributed", "v2.2", ""),
        ("torch-distributed", "v2.0", ""),
    ],
)
def test_a_shipped_runtime_that_a_release_does_not_know_is_a_warning(
    kfrun: Kfrun, runtime: str, version: str, named: str
) -> None:
    path = kfrun.write("job.yaml", SHIPPED.replace("RUNTIME", runtime))
    for verb in ("validate", "render"):
        shown = kfrun(verb, "-f", path, "--trainer-version", version)
        told = shown.stdout if verb == "validate" else shown.stderr
        assert ("KF403" in told, f"{version} does not know {named}" in told) == (bool(named), bool(named))
    own = kfrun.write("own.yaml", kfrun.ok("runtimes", "show", runtime))
    found = kfrun("validate", "-f", own, "-f", path, "--trainer-version", version)
    assert "KF403" not in found.stdout, "whose own it is, it is held against the schema"
    assert found.returncode == bool(named)
