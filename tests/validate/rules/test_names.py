from __future__ import annotations

import pytest

from kfrun.model.source import Document, Finding
from kfrun.validate.rules import cel
from tests.validate.reading import JOB, RUNTIME, document

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: NAME\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: NAME\n"


def with_metadata(text: str, **fields: object) -> list[Finding]:
    one = document(text)
    metadata = {**one.data["metadata"], **fields}
    return cel.check(Document({**one.data, "metadata": metadata}, one.positions, one.source, one.text))


PATH_TRICKS = [
    "../../x",
    "..",
    ".",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "~",
    "a\n",
    "a\x00b",
    "%2e%2e",
    "$HOME",
    "a b",
    "-a",
    "ä",
]


@pytest.mark.parametrize("name", PATH_TRICKS)
@pytest.mark.parametrize("text", [JOB, RUNTIME, NAMESPACE, CONFIG_MAP])
def test_path_tricks_are_refused_as_names(text: str, name: str) -> None:
    assert [(one.code, one.field) for one in with_metadata(text, name=name)] == [("KF301", "metadata.name")]


@pytest.mark.parametrize("namespace", [*PATH_TRICKS, "a.b", "A", "x" * 64])
@pytest.mark.parametrize("text", [JOB, RUNTIME, CONFIG_MAP])
def test_and_as_namespaces(text: str, namespace: str) -> None:
    found = with_metadata(text, name="fine", namespace=namespace)
    assert [(one.code, one.field) for one in found] == [("KF301", "metadata.namespace")]


@pytest.mark.parametrize(
    ("text", "name", "fine"),
    [
        *((JOB, "a", True), (JOB, "a-1", True), (JOB, "a" * 63, True), (JOB, "a" * 64, False)),
        *((JOB, "1a", False), (JOB, "a.b", False), (JOB, "a-", False), (JOB, "A", False)),
        *((RUNTIME, "1a", True), (RUNTIME, "a.b", True), (RUNTIME, "a" * 64, True), (RUNTIME, "a..b", False)),
        *((RUNTIME, "a" * 253, True), (RUNTIME, "a" * 254, False)),
        *((NAMESPACE, "a.b", False), (CONFIG_MAP, "a.b", True), (NAMESPACE, "1", True)),
    ],
)
def test_forms_of_names(text: str, name: str, fine: bool) -> None:
    assert [one.code for one in with_metadata(text, name=name)] == ([] if fine else ["KF301"])


def test_a_name_that_case_and_dashes_mend() -> None:
    (found,) = with_metadata(JOB, name="My_Job 1")
    assert found.message == (
        '"My_Job 1" is no valid name; '
        "allowed: a lower-case letter first, then lower-case letters, digits and -, no - at the end"
    )
    assert found.hint == 'write "my-job-1"'


@pytest.mark.parametrize("name", [None, ""])
def test_a_name_is_needed(name: str | None) -> None:
    (found,) = with_metadata(JOB, name=name)
    assert (found.code, found.field) == ("KF203", "metadata.name")
    (found,) = with_metadata(JOB, name=name, generateName="a-")
    assert "generateName" in (found.hint or "")


@pytest.mark.parametrize(
    ("field", "entries", "fine"),
    [
        ("labels", {"a": "b", "example.com/a": "B_1.c", "empty": ""}, True),
        ("labels", {"a": "not allowed"}, False),
        ("labels", {"a": "x" * 64}, False),
        ("labels", {"-a": "b"}, False),
        ("labels", {"Example.com/a": "b"}, False),
        ("labels", {"a/b/c": "b"}, False),
        ("annotations", {"a": "any text at all\n"}, True),
        ("annotations", {"a b": "c"}, False),
        ("annotations", {"Example.com/a": "b"}, True),
        ("annotations", {"Exa mple.com/a": "b"}, False),
        ("annotations", {"a": "x" * 262144}, False),
        ("annotations", {"a": "x" * 262143}, True),
    ],
)
def test_labels_and_annotations(field: str, entries: dict[str, str], fine: bool) -> None:
    assert [one.code for one in with_metadata(JOB, **{field: entries})] == ([] if fine else ["KF311"])


OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1"}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"ownerReferences": [OWNER, {**OWNER, "controller": True}]}, []),
        ({"ownerReferences": [OWNER, {**OWNER, "uid": ""}]}, ["metadata.ownerReferences[1].uid"]),
        ({"ownerReferences": [{**OWNER, "kind": "", "name": ""}]},
         ["metadata.ownerReferences[0].kind", "metadata.ownerReferences[0].name"]),
        ({"ownerReferences": [{**OWNER, "controller": True}] * 2}, ["metadata.ownerReferences"]),
        ({"finalizers": ["orphan", "example.com/backup", "foregroundDeletion.example"]}, []),
        ({"finalizers": ["example.com/backup", "wait for it"]}, ["metadata.finalizers[1]"]),
        ({"finalizers": ["Example.com/a", "a/b/c", "x" * 64]}, [f"metadata.finalizers[{index}]" for index in range(3)]),
        ({"finalizers": ["orphan", "foregroundDeletion"]}, ["metadata.finalizers"]),
        ({"finalizers": 1, "ownerReferences": [None, 1]}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", [JOB, RUNTIME])
def test_owners_and_finalizers(text: str, metadata: dict[str, object], expected: list[str]) -> None:
    assert [(one.code, one.field) for one in with_metadata(text, **metadata)] == [("KF313", one) for one in expected]
