from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from kfrun.errors import UsageProblem
from kfrun.model import kinds
from kfrun.validate.schema import migration, schemas

ROOT = Path(__file__).resolve().parents[3]


def test_files_are_what_the_generator_makes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "schemas" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_generator_notices_a_stale_file(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for path in [
        *(ROOT / "schemas").glob("*.json"),
        *(ROOT / "schemas").glob("models/*"),
        ROOT / "schemas/generate.py",
    ]:
        (tmp_path / path.relative_to(ROOT / "schemas")).write_text(path.read_text())
    command = [sys.executable, str(tmp_path / "generate.py")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    for name, old, new in (("v2.3/trainjob", "2048", "4096"), ("models/v2.3", "numNodes", "nodes")):
        target = tmp_path / f"{name}.json"
        before = target.read_text()
        target.write_text(before.replace(old, new))
        done = subprocess.run([*command, "--check"], capture_output=True, text=True, timeout=120)
        target.write_text(before)
        assert done.returncode == 1
        assert f"{name}.json is out of date" in done.stdout


@pytest.mark.parametrize(
    ("version", "package"), [("v2.0", "2.0.1"), ("v2.1", "2.1.0"), ("v2.2", "2.2.1"), ("v2.3", "2.3.0")]
)
@pytest.mark.parametrize("kind", kinds.TRAINER_KINDS)
def test_schema_is_valid_json_schema_and_names_its_source(kind: str, version: str, package: str) -> None:
    schema = schemas.schema(version, kind)
    Draft7Validator.check_schema(schema)
    assert f"kubeflow-trainer-api {package}" in schema["$comment"]
    assert schema["title"] == kind


@pytest.mark.parametrize("version", migration.RELEASES)
@pytest.mark.parametrize("kind", kinds.TRAINER_KINDS)
def test_every_object_is_closed(kind: str, version: str) -> None:
    """A mapping has fixed fields and no others, or any names with values of one type."""
    nodes = [schemas.schema(version, kind)]
    while nodes:
        node = nodes.pop()
        if node.get("type") == "object" and "additionalProperties" not in node:
            raise AssertionError(json.dumps(node)[:200])
        assert "anyOf" not in node
        nodes += [value for value in node.values() if isinstance(value, dict) and "type" in value]
        for field in ("properties", "definitions"):
            nodes += node.get(field, {}).values()


@pytest.mark.parametrize("version", migration.RELEASES)
@pytest.mark.parametrize("kind", kinds.TRAINER_KINDS)
def test_no_constraint_stands_beside_a_reference(kind: str, version: str) -> None:
    """Validators of draft 7 ignore what stands beside $ref; a description is all that may."""
    schema = schemas.schema(version, kind)
    for owner in [schema, *schema["definitions"].values()]:
        for node in owner.get("properties", {}).values():
            assert "$ref" not in node or set(node) <= {"$ref", "description"}


def test_step_by_step_to_a_deep_field() -> None:
    root = schemas.schema("v2.3", "ClusterTrainingRuntime")
    job = ("spec", "template", "spec", "replicatedJobs", 0)
    assert schemas.at(root, (*job, "replicas")) == {
        "type": "integer",
        "format": "int32",
        "default": 1,
        "minimum": -(2**31),
        "maximum": 2**31 - 1,
        "description": "Number of Jobs made from the template.",
    }
    assert schemas.at(root, (*job, "nothing", "here")) is None
    pod = (*job, "template", "spec", "template")
    assert schemas.at(root, (*pod, "metadata", "labels", "any"))["type"] == "string"  # type: ignore[index]
    assert schemas.at(root, (*pod, "metadata", "uid")) is None


def test_head_has_the_structure_of_the_newest_release() -> None:
    assert schemas.schema("head", "TrainJob") == schemas.schema("v2.3", "TrainJob")


def test_unknown_version_is_a_usage_problem() -> None:
    with pytest.raises(UsageProblem) as raised:
        schemas.schema("v9.9", "TrainJob")
    assert "v9.9" in raised.value.message
    assert "v2.3" in (raised.value.hint or "")
