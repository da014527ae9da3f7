from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kfrun.load.kubeyaml import chunks, events, pureyaml
from kfrun.load.kubeyaml.builder import NOTHING, Builder
from kfrun.load.kubeyaml.problems import ChunkProblem

_FILE = Path(__file__).parent.parent / "data" / "yaml-as-kubectl.jsonl"
CASES = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]


def first_document(text: str) -> Any:
    """What the first document of a text is; the recorded answers stop there, too."""
    for chunk in chunks.split(text.removeprefix("\ufeff")):
        builder = Builder(chunk.content, is_json=chunk.is_json)
        data = builder.build()
        if builder.problems:
            raise builder.problems[0]
        if data is not NOTHING:
            return data
    return None


def number(text: str) -> int | float:
    """A JSON number beyond 64 bits is a float to Kubernetes."""
    value = int(text)
    return value if -(2**63) <= value < 2**64 else float(text)


def typed(value: Any) -> Any:
    """Tell 1 from true and from 1.0."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, value


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setattr(events, "PARSER", pureyaml.PureParser)
    elif events.PARSER is pureyaml.PureParser:
        pytest.skip("PyYAML has no libyaml here")


def test_all_recorded_texts_are_there() -> None:
    assert len(CASES) == 182


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("case", CASES, ids=[repr(case["yaml"]) for case in CASES])
def test_a_text_reads_as_kubectl_reads_it(case: dict[str, str]) -> None:
    if "error" in case:
        with pytest.raises(ChunkProblem):
            first_document(case["yaml"])
    else:
        expected = json.loads(case["json"], parse_int=number)
        assert typed(first_document(case["yaml"])) == typed(expected)
