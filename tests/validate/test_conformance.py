"""The real API server's answers to the conformance inputs, structure and CEL rules, against kfrun's for v2.3.

The answers are those of the newest source, which tests/conformance compares; v2.3 has fewer bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance import comparison
from tests.validate.reading import CASES

if TYPE_CHECKING:
    from pathlib import Path

ACCEPTED_BY_V23 = {("val-runtime-mlpolicy", "ClusterTrainingRuntime/r3")}


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda path: path.name)
def test_findings_are_those_of_the_api_server(case: Path) -> None:
    for entry in comparison.entries(case, "v2.3"):
        differs = [*comparison.FIELDS["crdErrors"](entry), *comparison.FIELDS["prunedUnknownFields"](entry)]
        assert bool(differs) is ((case.name, entry.name) in ACCEPTED_BY_V23), differs
