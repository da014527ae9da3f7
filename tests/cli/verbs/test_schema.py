"""``kfrun schema``: what it prints is a schema, takes what kfrun takes, and knows kfrun's own annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kfrun.__main__ import main
from kfrun.model.kinds import TRAINER_KINDS
from kfrun.validate.advice import editors
from kfrun.validate.rules.extensions import CHOICES, PREFIX
from tests.cli.manifests import JOB, RUNTIME, WRONG

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("job.yaml"))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["schema", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.Draft7Validator.check_schema(found)
    return found


def is_valid(schema: dict[str, Any], text: str) -> bool:
    return all(jsonschema.Draft7Validator(schema).is_valid(one) for one in yaml.safe_load_all(text))


@pytest.mark.parametrize(
    ("word", "kind"),
    [("trainjob", "trainjob"), ("tj", "trainjob"), ("ctr", "clustertrainingruntime"), ("TR", "trainingruntime")],
)
def test_a_kind_has_a_schema(capsys, word, kind):
    assert printed(capsys, word)["$id"] == f"urn:kfrun:schema:v2.3:{kind}"


def test_one_is_for_files_of_several_kinds(capsys):
    schema = printed(capsys)
    assert schema == printed(capsys, "--all-kinds")
    assert schema["$id"] == "urn:kfrun:schema:v2.3:all"
    assert is_valid(schema, f"{JOB}---\n{RUNTIME}")
    assert not is_valid(schema, f"{RUNTIME}---\n{WRONG}")
    assert is_valid(schema, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    assert not is_valid(schema, "kind: TrainJob\n")
    for path in EXAMPLES:
        assert is_valid(schema, path.read_text()), path


def test_annotations_of_kfrun_are_known_and_misspelt_ones_are_not(capsys):
    schema = printed(capsys, "trainjob")

    def annotated(name: str, value: str = "x") -> bool:
        job = yaml.safe_load(JOB)
        job["metadata"]["annotations"] = {name: value}
        return jsonschema.Draft7Validator(schema).is_valid(job)

    assert all(annotated(f"{PREFIX}{name}", (choices or ("x",))[0]) for name, choices in CHOICES.items())
    assert [annotated(name) for name in ("kfrun.dev/package", "kfrun.dev/", "example.com/any")] == [False, False, True]
    assert not annotated(f"{PREFIX}environment", "mine")
    known = schema["definitions"]["meta.v1.ObjectMeta"]["properties"]["annotations"]["properties"]
    assert all(one["description"] for one in known.values())


def test_schemas_of_earlier_releases_are_theirs(capsys):
    old, new = printed(capsys, "tj", "--trainer-version", "v2.0"), printed(capsys, "tj")
    fields = [one["definitions"]["trainer.TrainJobSpec"]["properties"] for one in (old, new)]
    assert ["podSpecOverrides" in one for one in fields] == [True, False]


@pytest.mark.parametrize(
    "arguments", [("pods",), ("runtimes",), ("nope",), ("tj", "--all-kinds"), ("tj", "--trainer-version", "v9.9")]
)
def test_what_has_no_schema_is_told(capsys, arguments):
    assert main(["schema", *arguments]) == 2
    assert capsys.readouterr().out == ""


def test_what_is_shared_is_not_changed():
    before = json.dumps(editors.schemas.schema("v2.3", TRAINER_KINDS[0]))
    editors.of(TRAINER_KINDS[0], "v2.3")
    assert json.dumps(editors.schemas.schema("v2.3", TRAINER_KINDS[0])) == before
