"""The real API server's answers to the conformance inputs, structure and CEL rules, against kfrun's.

data/conformance holds the inputs, data/conformance.json what was refused or pruned (which strict clients refuse).
The answers are those of the newest source; v2.3 has fewer bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kfrun.validate.rules import cel
from kfrun.validate.schema import structure
from tests.validate.reading import conformance, refused

if TYPE_CHECKING:
    from kfrun.model.source import Document

CASES = conformance()
ACCEPTED_BY_V23 = {("val-runtime-mlpolicy", "ClusterTrainingRuntime/r3")}


def expected(case: str, one: Document, version: str) -> list[str]:
    name = f"{one.key.kind}/{one.key.name}"
    if version == "v2.3" and (case, name) in ACCEPTED_BY_V23:
        return []
    return sorted(
        error.split(": ")[0]
        for row in refused().get(case, [])
        if row["object"] == name
        for error in [*row.get("crdErrors", []), *row.get("prunedUnknownFields", [])]
    )


@pytest.mark.parametrize("version", ["v2.3", "head"])
@pytest.mark.parametrize(
    ("case", "one"), CASES, ids=[f"{case}-{one.index}-{one.key.kind}-{one.key.name}" for case, one in CASES]
)
def test_findings_are_those_of_the_api_server(case: str, one: Document, version: str) -> None:
    found = structure.check(one, version=version) + cel.check(one, version=version)
    assert sorted(finding.field for finding in found) == expected(case, one, version)


def test_every_case_is_there() -> None:
    assert len({case for case, _ in CASES}) == 107
    assert refused().keys() <= {case for case, _ in CASES}
