"""What users read, as a whole: manifests with many mistakes and the text of their findings.

`KFRUN_UPDATE_GOLDEN=1 python -m pytest tests/validate/test_golden.py` writes the texts anew; read the difference.
"""

from __future__ import annotations

import os

import pytest

from kfrun.report import findings as reports
from tests.validate import reading

GOLDEN = reading.DATA / "golden"


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_text_of_the_findings(name: str) -> None:
    source = (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
    text = reports.to_text(reading.checked(reading.documents(source, f"{name}.yaml")))
    expected = GOLDEN / f"{name}.txt"
    if os.environ.get("KFRUN_UPDATE_GOLDEN"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_there_are_golden_texts() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {path.stem for path in GOLDEN.glob("*.yaml")} != set()
