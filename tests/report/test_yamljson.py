from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from kfrun.load import kubeyaml
from kfrun.report import yamljson

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12) | st.text(
    "yn01e.:-+xo_ #'\"\n\t\\|>{}[]&*!%@`~=<?,abZT", max_size=12
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e6, 1e6) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def read_back(objects):
    documents, findings = kubeyaml.parse(yamljson.to_yaml(objects), "out")
    assert findings == []
    return [item.data for item in documents]


@pytest.fixture(params=["libyaml", "pure"])
def emitter(request, monkeypatch):
    if request.param == "pure":
        monkeypatch.delattr(yaml, "CSafeDumper")
    elif not hasattr(yaml, "CSafeDumper"):
        pytest.skip("this PyYAML was built without libyaml")


# fmt: off
TRAPS = [
    "y", "Y", "n", "yes", "No", "on", "OFF", "true", "False", "null", "~", "", " ", "1", "-1", "+1", "1.5", ".5",
    "1e3", "1E-3", "0x1f", "0o10", "010", "0b11", "1_000", "12:30", "1:30:00", "2026-01-01", "2026-01-01T00:00:00Z",
    ".inf", "-.INF", ".nan", "=", "<<", "-", "--", "---", "...", "?", ":", "a: b", "a #b", "#a", "'a", '"a', "&a", "*a",
    "!a", "%a", "@a", "`a", "{a", "[a", "|", ">", "a\nb", "a\nb\n", "a\n\n\nb\n\n", "\na", " a\nb", "\ta\nb", "a \nb",
    "a\r\nb", "a\x85b", "a\u2028b", "\ufeffa", "a\tb", "é", "日本", "😀", "\x07", "2Gi", "500m", "nvidia.com/gpu",
    "1.10", "1.", "0.", "0x", "e3", "_1", "1__0", "NaN", "Infinity", "-.5", "+.5e1", "0777", "0888",
]
# fmt: on


@pytest.mark.usefixtures("emitter")
@pytest.mark.parametrize("text", TRAPS)
def test_a_text_stays_the_same_text(text):
    data = {"kind": "X", "value": text, "list": [text, [text]], "map": {text: 1, "z": {"a": text}}}
    assert read_back([data]) == [data]


@given(VALUES)
@example({"a": "x\n y"})
@example(["\x85"])
def test_any_value_is_read_back_as_it_was(value):
    data = {"kind": "X", "value": value}
    assert read_back([data]) == [data]


@given(VALUES)
def test_any_value_is_read_back_from_json(value):
    data = {"kind": "X", "value": value}
    assert json.loads(yamljson.to_json([data])) == data


@pytest.mark.usefixtures("emitter")
def test_it_looks_as_kubectl_writes_it():
    data = {
        "kind": "X",
        "metadata": {"name": "a", "labels": {}},
        "spec": {
            "z": 1,
            "a": [{"name": "LR", "value": "0.1"}, {"name": "R", "value": None}],
            "script": "set -e\npython train.py\n",
            "long": "word " * 60 + "end",
            "on": True,
        },
    }
    assert yamljson.to_yaml([data]) == (
        "kind: X\n"
        "metadata:\n"
        "  name: a\n"
        "  labels: {}\n"
        "spec:\n"
        "  z: 1\n"
        "  a:\n"
        "  - name: LR\n"
        '    value: "0.1"\n'
        "  - name: R\n"
        "    value: null\n"
        "  script: |\n"
        "    set -e\n"
        "    python train.py\n"
        f"  long: {'word ' * 60}end\n"
        '  "on": true\n'
    )


def test_shared_parts_are_written_out():
    part = {"a": [1]}
    assert "&" not in yamljson.to_yaml([{"kind": "X", "one": part, "two": part}])


def test_several_objects_are_documents_or_a_list():
    objects = [{"kind": "A"}, {"kind": "B"}]
    assert yamljson.to_yaml(objects) == "kind: A\n---\nkind: B\n"
    assert json.loads(yamljson.to_json(objects)) == {"apiVersion": "v1", "kind": "List", "items": objects}


def test_no_object_is_an_empty_stream():
    assert yamljson.to_yaml([]) == ""
