"""Makes the JSON Schemas under ``schemas/v2.3`` from the published models of the Kubeflow Trainer API.

``kubeflow-trainer-api`` (pinned in the ``test`` extra) gives names, types and required fields;
``constraints.json`` adds defaults, bounds, enums, patterns and list keys by definition and field;
``descriptions.json`` adds kfrun's own words. Run it after changing any of the three:

    python schemas/generate.py            # write the files
    python schemas/generate.py --check    # exit 1 when they differ from what would be written

Optional fields do not admit null: kfrun drops nulls before checking, as an API server does.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any

import kubeflow_trainer_api
from kubeflow_trainer_api import models
from pydantic import BaseModel

HERE = Path(__file__).resolve().parent
PACKAGE = "kubeflow-trainer-api"
VERSIONS = {"v2.3": "2.3.0"}
"""The Trainer versions that have schemas, and the package version each is made from."""

API_VERSION = "trainer.kubeflow.org/v1alpha1"
KINDS = ("TrainJob", "ClusterTrainingRuntime", "TrainingRuntime")
REQUIRED = {
    # without a spec a cluster refuses a TrainJob for its missing runtimeRef, and takes an empty runtime
    "TrainJob": ["apiVersion", "kind", "metadata", "spec"],
    "ClusterTrainingRuntime": ["apiVersion", "kind", "metadata"],
    "TrainingRuntime": ["apiVersion", "kind", "metadata"],
}
EMBEDDED_METADATA = ("annotations", "finalizers", "labels", "name", "namespace")
"""The fields of metadata that a template inside of an object accepts."""

PREFIXES = {
    "TrainerV1alpha1": "trainer.",
    "JobsetV1alpha2": "jobset.",
    "SchedulingV1beta1": "volcano.",
    "IoK8sApiBatchV1": "batch.v1.",
    "IoK8sApiCoreV1": "core.v1.",
    "IoK8sApimachineryPkgApisMetaV1": "meta.v1.",
    "IoK8sApimachineryPkgApiResource": "",
    "IoK8sApimachineryPkgUtilIntstr": "",
}
QUANTITY_NUMBER = r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
QUANTITY = rf"^(\+|-)?{QUANTITY_NUMBER}(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?{QUANTITY_NUMBER}))?$"
RFC3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"

INTEGER_BOUNDS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    dt.datetime: {"type": "string", "format": "date-time", "pattern": RFC3339},
    Any: {},
}
UNIONS = {
    "Quantity": {"type": ["integer", "string"], "pattern": QUANTITY, "x-kubernetes-int-or-string": True},
    "IntOrString": {"type": ["integer", "string"], "x-kubernetes-int-or-string": True},
}
EMPTY_OBJECTS = frozenset({("trainer.MLPolicy", "jax"), ("trainer.MLPolicy", "xgboost")})
"""Policies without any field: the models leave them open, the API server keeps nothing in them."""

Tables = dict[str, dict[str, Any]]


class Builder:
    """Collects the definitions that one kind reaches."""

    def __init__(self, constraints: Tables, descriptions: Tables) -> None:
        self.constraints = constraints
        self.descriptions = descriptions
        self.definitions: dict[str, Any] = {}

    def document(self, kind: str, package_version: str) -> dict[str, Any]:
        """The whole schema of ``kind``."""
        body = self.object_schema(getattr(models, f"TrainerV1alpha1{kind}"), f"trainer.{kind}")
        body["properties"]["apiVersion"]["enum"] = [API_VERSION]
        body["properties"]["kind"]["enum"] = [kind]
        metadata = self.reference(models.IoK8sApimachineryPkgApisMetaV1ObjectMeta, root=True)
        body["properties"]["metadata"]["$ref"] = metadata
        body["required"] = REQUIRED[kind]
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$comment": f"made by schemas/generate.py from {PACKAGE} {package_version}; do not edit",
            "title": kind,
            **body,
            "definitions": {name: self.definitions[name] for name in sorted(self.definitions)},
        }

    def object_schema(self, model: type[BaseModel], name: str, fields: tuple[str, ...] = ()) -> dict[str, Any]:
        """The schema of a model; ``fields`` keeps only those."""
        properties: dict[str, Any] = {}
        required: list[str] = []
        for attribute, info in model.model_fields.items():
            field = info.alias or attribute
            if fields and field not in fields:
                continue
            properties[field] = self.field_schema(name, field, info.annotation)
            if info.is_required():
                required.append(field)
        schema = {"type": "object", **self.described(name, ""), "additionalProperties": False}
        schema["properties"] = dict(sorted(properties.items()))
        if required:
            schema["required"] = sorted(required)
        return {**schema, **self.constraints.get(name, {}).get("", {})}

    def field_schema(self, owner: str, field: str, annotation: Any) -> dict[str, Any]:
        """The schema of one field, with its constraints and its description."""
        if (owner, field) in EMPTY_OBJECTS:
            schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
        else:
            schema = self.type_schema(annotation, owner, field)
        return {**schema, **self.described(owner, field)}

    def type_schema(self, annotation: Any, owner: str, field: str) -> dict[str, Any]:
        """The schema of a type; ``field`` gains ``[]`` or ``{}`` for what lists and maps hold."""
        extra = self.constraints.get(owner, {}).get(field, {})
        annotation = _plain(annotation)
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is list:
            if extra.get("x-kubernetes-list-type") == "set":
                extra = {**extra, "uniqueItems": True}
            return {"type": "array", "items": self.type_schema(arguments[0], owner, f"{field}[]"), **extra}
        if origin is dict:
            values = self.type_schema(arguments[1], owner, f"{field}{{}}")
            return {"type": "object", "additionalProperties": values, **extra}
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            assert not extra, f"{owner}.{field}: siblings of $ref are ignored by validators"
            return {"$ref": self.reference(annotation)}
        schema = {**SCALARS[annotation], **extra}
        return _bounded(schema) if schema.get("type") == "integer" else schema

    def reference(self, model: type[BaseModel], *, root: bool = False) -> str:
        """A pointer to the definition of ``model``, which is made on first use.

        Metadata is the full one at the root of an object only; elsewhere it is the embedded form.
        """
        name = _short(model.__name__)
        fields: tuple[str, ...] = ()
        if name == "meta.v1.ObjectMeta" and not root:
            name, fields = "meta.v1.EmbeddedObjectMeta", EMBEDDED_METADATA
        if name not in self.definitions:
            self.definitions[name] = {}  # marks it as begun; no type of the API contains itself
            union = UNIONS.get(name)
            self.definitions[name] = (
                {**union, **self.described(name, "")} if union else self.object_schema(model, name, fields)
            )
        return f"#/definitions/{name}"

    def described(self, owner: str, field: str) -> dict[str, str]:
        """The description of a field, as a keyword, when there is one."""
        text = self.descriptions.get(owner, {}).get(field)
        return {"description": text} if text else {}


def _plain(annotation: Any) -> Any:
    """A type without ``Annotated`` and ``Optional``."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        (annotation,) = (one for one in typing.get_args(annotation) if one is not types.NoneType)
        return _plain(annotation)
    return annotation


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """An integer with the bounds of its format; the API server has no larger integers than int64."""
    low, high = INTEGER_BOUNDS[schema.get("format", "int64")]
    return {**schema, "minimum": schema.get("minimum", low), "maximum": schema.get("maximum", high)}


def _short(model_name: str) -> str:
    for prefix, short in PREFIXES.items():
        if model_name.startswith(prefix):
            return short + model_name.removeprefix(prefix)
    raise ValueError(f"unexpected model {model_name}: add its prefix")


def _table(name: str) -> Tables:
    table: Tables = json.loads((HERE / name).read_text(encoding="utf-8"))
    return table


def _unused(table: Tables, builders: list[Builder]) -> list[str]:
    """Entries of a table that name no definition or field: a typing error, or a field that upstream removed."""
    known: set[str] = set()
    for builder in builders:
        for name, schema in builder.definitions.items():
            known.update(f"{name} {field}" for field in ("", *schema.get("properties", ())))
    entries = (f"{name} {field.rstrip('[]{}')}" for name, fields in table.items() for field in fields)
    return sorted({entry for entry in entries if entry not in known})


def build(version: str) -> dict[str, str]:
    """The files of one Trainer version: name -> content."""
    package_version = VERSIONS[version]
    if kubeflow_trainer_api.__version__ != package_version:
        raise SystemExit(
            f"{version} is made from {PACKAGE} {package_version}, found {kubeflow_trainer_api.__version__}"
        )
    constraints, descriptions = _table("constraints.json"), _table("descriptions.json")
    files = {"SOURCE": f"{PACKAGE} {package_version}\n"}
    builders = []
    for kind in KINDS:
        builder = Builder(constraints, descriptions)
        schema = builder.document(kind, package_version)
        files[f"{kind.lower()}.json"] = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        builder.definitions[f"trainer.{kind}"] = schema
        builders.append(builder)
    unused = _unused(constraints, builders) + _unused(descriptions, builders)
    if unused:
        raise SystemExit(f"entries of constraints.json or descriptions.json without a field: {unused}")
    return files


def main(arguments: list[str]) -> int:
    """Write or check the files of every version. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when files differ")
    check = parser.parse_args(arguments).check
    stale = []
    for version in VERSIONS:
        for name, content in build(version).items():
            path = HERE / version / name
            if path.is_file() and path.read_text(encoding="utf-8") == content:
                continue
            stale.append(path.relative_to(HERE.parent).as_posix())
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(content, encoding="utf-8")
    for name in stale:
        print(f"{name} {'is out of date' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
