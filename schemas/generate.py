"""Makes the JSON Schemas of every Trainer version from the published models of the Kubeflow Trainer API.

``models/VERSION.json`` holds names, types and required fields, taken from the package ``kubeflow-trainer-api`` of that
release; ``constraints.json`` adds defaults, bounds, enums, patterns and list keys by definition and field, and
``constraints-VERSION.json`` says where an older release differs (null: no such constraint);
``descriptions.json`` adds kfrun's own words. Run it after changing any of them:

    python schemas/generate.py                  # write the files
    python schemas/generate.py --check          # exit 1 when they differ from what would be written
    python schemas/generate.py --extract v2.3   # write models/v2.3.json from the package that is installed

For an older release, put it where Python finds it first:

    pip install --no-deps --target /tmp/older kubeflow-trainer-api==2.0.1
    PYTHONPATH=/tmp/older python schemas/generate.py --extract v2.0

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

HERE = Path(__file__).resolve().parent
PACKAGE = "kubeflow-trainer-api"
VERSIONS = {"v2.0": "2.0.1", "v2.1": "2.1.0", "v2.2": "2.2.1", "v2.3": "2.3.0"}
"""The Trainer versions that have schemas, and the package version each is made from; the newest comes last."""

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
    "IoK8sApiAutoscalingV2": "autoscaling.v2.",
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
SCALAR_NAMES = {str: "string", bool: "boolean", int: "integer", dt.datetime: "time", Any: "any"}
SCALARS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "time": {"type": "string", "format": "date-time", "pattern": RFC3339},
    "any": {},
}
UNIONS = {
    "Quantity": {"type": ["integer", "string"], "pattern": QUANTITY, "x-kubernetes-int-or-string": True},
    "IntOrString": {"type": ["integer", "string"], "x-kubernetes-int-or-string": True},
}
EMPTY_OBJECTS = frozenset(("trainer.MLPolicy", policy) for policy in ("jax", "torch", "xgboost"))
"""Policies without any field: the models leave them open, the API server keeps nothing in them."""

Tables = dict[str, dict[str, Any]]
Model = dict[str, Any]


class Builder:
    """Collects the definitions that one kind reaches."""

    def __init__(self, models: dict[str, Model], constraints: Tables, descriptions: Tables) -> None:
        self.models = models
        self.constraints = constraints
        self.descriptions = descriptions
        self.definitions: dict[str, Any] = {}

    def document(self, kind: str, package_version: str) -> dict[str, Any]:
        """The whole schema of ``kind``."""
        body = self.object_schema(f"trainer.{kind}", f"trainer.{kind}")
        body["properties"]["apiVersion"]["enum"] = [API_VERSION]
        body["properties"]["kind"]["enum"] = [kind]
        body["properties"]["metadata"]["$ref"] = self.reference("meta.v1.ObjectMeta", root=True)
        body["required"] = REQUIRED[kind]
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$comment": f"made by schemas/generate.py from {PACKAGE} {package_version}; do not edit",
            "title": kind,
            **body,
            "definitions": {name: self.definitions[name] for name in sorted(self.definitions)},
        }

    def object_schema(self, model: str, name: str, fields: tuple[str, ...] = ()) -> dict[str, Any]:
        """The schema of a model; ``fields`` keeps only those."""
        types = self.models[model]["fields"]
        required = [field for field in self.models[model]["required"] if not fields or field in fields]
        schema = {"type": "object", **self.described(name, ""), "additionalProperties": False}
        schema["properties"] = {
            field: self.field_schema(name, field, types[field])
            for field in sorted(types)
            if not fields or field in fields
        }
        if required:
            schema["required"] = required
        return {**schema, **self.constraints.get(name, {}).get("", {})}

    def field_schema(self, owner: str, field: str, type_name: str) -> dict[str, Any]:
        """The schema of one field, with its constraints and its description."""
        if (owner, field) in EMPTY_OBJECTS and type_name == "{}any":
            schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}
        else:
            schema = self.type_schema(type_name, owner, field)
        return {**schema, **self.described(owner, field)}

    def type_schema(self, type_name: str, owner: str, field: str) -> dict[str, Any]:
        """The schema of a type; ``field`` gains ``[]`` or ``{}`` for what lists and maps hold."""
        extra = self.constraints.get(owner, {}).get(field, {})
        if type_name.startswith("[]"):
            if extra.get("x-kubernetes-list-type") == "set":
                extra = {**extra, "uniqueItems": True}
            return {"type": "array", "items": self.type_schema(type_name[2:], owner, f"{field}[]"), **extra}
        if type_name.startswith("{}"):
            values = self.type_schema(type_name[2:], owner, f"{field}{{}}")
            return {"type": "object", "additionalProperties": values, **extra}
        if extra and type_name in UNIONS:
            return {**UNIONS[type_name], **extra}  # in full: validators ignore what stands beside $ref
        if type_name not in SCALARS:
            assert not extra, f"{owner}.{field}: siblings of $ref are ignored by validators"
            return {"$ref": self.reference(type_name)}
        schema = {**SCALARS[type_name], **extra}
        return _bounded(schema) if schema.get("type") == "integer" else schema

    def reference(self, model: str, *, root: bool = False) -> str:
        """A pointer to the definition of ``model``, which is made on first use.

        Metadata is the full one at the root of an object only; elsewhere it is the embedded form.
        """
        name = model
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


def extract() -> tuple[str, dict[str, Model]]:
    """The version of the package that is installed, and what its models say of every kind."""
    import kubeflow_trainer_api
    from kubeflow_trainer_api import models

    found: dict[str, Model] = {}
    waiting: list[Any] = [getattr(models, f"TrainerV1alpha1{kind}") for kind in KINDS]
    while waiting:
        model = waiting.pop()
        name = _short(model.__name__)
        if name in found or name in UNIONS:
            continue
        infos = {info.alias or attribute: info for attribute, info in model.model_fields.items()}
        types_of = {field: _type_name(info.annotation, waiting) for field, info in sorted(infos.items())}
        found[name] = {"fields": types_of, "required": sorted(key for key, info in infos.items() if info.is_required())}
    return kubeflow_trainer_api.__version__, dict(sorted(found.items()))


def _type_name(annotation: Any, waiting: list[Any]) -> str:
    """A type as one word: ``[]`` and ``{}`` before what lists and maps hold. Models are added to ``waiting``."""
    annotation = _plain(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        return "[]" + _type_name(arguments[0], waiting)
    if origin is dict:
        return "{}" + _type_name(arguments[1], waiting)
    if annotation in SCALAR_NAMES:
        return SCALAR_NAMES[annotation]
    waiting.append(annotation)
    return _short(annotation.__name__)


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


def _table(name: str) -> dict[str, Any]:
    path = HERE / name
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return table


def constraints(version: str) -> Tables:
    """The constraints of one version: the newest ones, changed as its own table says."""
    table: Tables = {name: dict(fields) for name, fields in _table("constraints.json").items()}
    for name, fields in _table(f"constraints-{version}.json").items():
        for field, keywords in fields.items():
            table.setdefault(name, {})[field] = keywords or {}
    return table


def known_fields(builders: list[Builder]) -> set[str]:
    """``definition field`` of everything that the builders made."""
    known: set[str] = set()
    for builder in builders:
        for name, schema in builder.definitions.items():
            known.update(f"{name} {field}" for field in ("", *schema.get("properties", ())))
    return known


def unused(table: Tables, known: set[str]) -> list[str]:
    """Entries of a table that name no definition or field: a typing error, or a field that upstream removed."""
    entries = (f"{name} {field.rstrip('[]{}')}" for name, fields in table.items() for field in fields)
    return sorted({entry for entry in entries if entry not in known})


def build(version: str) -> tuple[dict[str, str], set[str]]:
    """The files of one Trainer version, name -> content, and the fields that they describe."""
    package_version = VERSIONS[version]
    facts = _table(f"models/{version}.json")
    if facts.get("package") != f"{PACKAGE} {package_version}":
        raise SystemExit(f"models/{version}.json is not of {PACKAGE} {package_version}: extract it again")
    descriptions = _table("descriptions.json")
    files = {"SOURCE": f"{PACKAGE} {package_version}\n"}
    builders = []
    for kind in KINDS:
        builder = Builder(facts["models"], constraints(version), descriptions)
        schema = builder.document(kind, package_version)
        files[f"{kind.lower()}.json"] = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        builder.definitions[f"trainer.{kind}"] = schema
        builders.append(builder)
    known = known_fields(builders)
    wrong = unused(_table(f"constraints-{version}.json"), known)
    if wrong:
        raise SystemExit(f"entries of constraints-{version}.json without a field: {wrong}")
    return files, known


def contents() -> dict[str, str]:
    """Every file that is made: path below this folder -> content."""
    made: dict[str, str] = {}
    known: set[str] = set()
    for version in VERSIONS:
        files, fields = build(version)
        made.update({f"{version}/{name}": content for name, content in files.items()})
        known |= fields
    wrong = unused(_table("constraints.json"), known) + unused(_table("descriptions.json"), known)
    if wrong:
        raise SystemExit(f"entries of constraints.json or descriptions.json without a field: {wrong}")
    return made


def facts(version: str) -> str:
    """``models/VERSION.json`` as the installed package gives it."""
    package_version, models = extract()
    if package_version != VERSIONS[version]:
        raise SystemExit(f"{version} is made from {PACKAGE} {VERSIONS[version]}, found {package_version}")
    return json.dumps({"package": f"{PACKAGE} {package_version}", "models": models}, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the files of every version. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when files differ")
    parser.add_argument("--extract", choices=VERSIONS, help="write the models of the package that is installed")
    options = parser.parse_args(arguments)
    made = {f"models/{options.extract}.json": facts(options.extract)} if options.extract else contents()
    if options.check and not options.extract:
        newest = list(VERSIONS)[-1]
        made[f"models/{newest}.json"] = facts(newest)
    stale = []
    for name, content in made.items():
        path = HERE / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(path.relative_to(HERE.parent).as_posix())
        if not options.check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
    for name in stale:
        print(f"{name} {'is out of date' if options.check else 'written'}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
