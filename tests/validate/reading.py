"""Documents for the tests of validate, read as kfrun reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfrun.flow.checker import stages
from kfrun.flow.checker.stages import Asked
from kfrun.load import kubeyaml
from kfrun.model.state import Observed
from kfrun.settings import Settings
from kfrun.validate.schema import schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kfrun.model.source import Document, Finding

DATA = Path(__file__).resolve().parent / "data"
CASES = Path(__file__).resolve().parents[1] / "conformance" / "cases"

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: mnist
spec:
  runtimeRef:
    name: torch-distributed
"""

RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata:
  name: torch-distributed
spec:
  mlPolicy:
    torch: {}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          spec:
            template:
              spec:
                containers:
                - name: node
                  image: python:3.12
"""


def documents(text: str, source: str = "job.yaml") -> list[Document]:
    """Every document of a text that is valid YAML."""
    found, findings = kubeyaml.parse(text, source)
    assert findings == []
    return found


def checked(found: Iterable[Document], version: str = schemas.DEFAULT_VERSION) -> Sequence[Finding]:
    """What is wrong with documents by their structure and rules, and because some come twice."""
    settings = Settings(None, "", "", trainer_version=version)
    return stages.check(tuple(found), Observed(), Asked(settings, until="rule")).findings


def document(text: str, source: str = "job.yaml") -> Document:
    """The only document of a text."""
    (only,) = documents(text, source)
    return only


def conformance() -> list[tuple[str, Document]]:
    """Every trainer object of the conformance inputs with the name of its case."""
    return [
        (path.parent.name, one)
        for path in sorted(CASES.glob("*/input.yaml"))
        for one in documents(path.read_text(encoding="utf-8"), path.name)
        if one.data["apiVersion"].startswith("trainer.")
    ]


def violations_of_rs(data: dict[str, Any], kind: str) -> set[tuple[tuple[str, ...], str]]:
    """What `jsonschema_rs` finds wrong: paths as `plain` gives them, and keywords."""
    from jsonschema_rs import Draft7Validator

    validator = Draft7Validator(schemas.schema(schemas.DEFAULT_VERSION, kind), validate_formats=False)
    return {(plain(error.instance_path), str(error.schema_path[-1])) for error in validator.iter_errors(data)}


def plain(path: Iterable[str | int]) -> tuple[str, ...]:
    """A path as both validators report it: jsonschema_rs takes the key "0" for an index and leaves out empty keys."""
    return tuple(str(part) for part in path if part != "")
