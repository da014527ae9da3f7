"""libyaml's parser comes without the rest of PyYAML, and takes nothing from whoever wants the rest later."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LIGHT = ["yaml", "yaml._yaml", "yaml.error", "yaml.events", "yaml.nodes", "yaml.tokens"]

REPORT = """
import json, sys
from kfrun.load import kubeyaml
documents, _ = kubeyaml.parse("apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}\\n", "a.yaml")
assert documents[0].data["metadata"] == {"name": "a"}
_, findings = kubeyaml.parse("a: [b", "b.yaml")
loaded = sorted(name for name in sys.modules if name.partition(".")[0] == "yaml")
print(json.dumps({"loaded": loaded, "codes": [one.code for one in findings]}))
"""

WHOLE = """
import yaml
from yaml import _yaml, reader

assert yaml.safe_load("{a: [1, yes]}") == {"a": [1, True]}
assert yaml.load("a: 1", Loader=yaml.CSafeLoader) == {"a": 1}
assert yaml.dump({"a": "b"}, Dumper=yaml.CSafeDumper) == "a: b\\n"
assert yaml.__with_libyaml__ and {"safe_load", "CLoader", "YAMLError", "reader", "emitter"} <= set(dir(yaml))
for text, kind in (
    ("a: [b", yaml.parser.ParserError), ("a: '", yaml.scanner.ScannerError), ("\\x01", reader.ReaderError),
    ("*a", yaml.composer.ComposerError), ("!!python/x 1", yaml.constructor.ConstructorError),
):
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        try:
            yaml.load(text, Loader=loader)
        except kind:
            continue
        raise AssertionError((text, loader))
assert _yaml.ReaderError is reader.ReaderError and isinstance(_yaml.EmitterError, type)
"""


def run(*code: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(code)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "{}")


def test_of_yaml_only_the_events_are_loaded_until_something_is_wrong():
    quiet = REPORT.replace('"a: [b"', '"a: b"')
    assert [name for name in run(quiet)["loaded"] if name != "yaml"] == LIGHT[1:]
    found = run(REPORT)
    assert found["codes"] == ["KF101"]
    assert "yaml.loader" not in found["loaded"]


@pytest.mark.parametrize("first", ["import yaml", "from yaml import safe_load", "import yaml.reader", ""])
def test_whoever_wants_yaml_later_finds_it_whole(first):
    run("from kfrun.load.kubeyaml import events", first, WHOLE)


def test_where_yaml_is_loaded_already_it_is_taken_as_it_is():
    found = run("import yaml; parser = yaml.CParser if hasattr(yaml, 'CParser') else yaml.cyaml.CParser", REPORT)
    assert "yaml.loader" in found["loaded"]


@pytest.mark.parametrize(
    "changed",
    [
        "libyaml_spec.find_spec = None",
        "sys.modules['yaml.tokens'] = None",
        "sys.meta_path.insert(0, Asking())",
    ],
    ids=["no way to find it", "a module that is missing", "a parser that asks for more"],
)
def test_where_anything_is_not_as_expected_yaml_is_imported_as_ever(changed):
    prelude = """
import sys
import importlib.util as libyaml_spec
from importlib.machinery import PathFinder

class Asking:
    "A later release, of which the parser asks for something that is there once the package has run."

    def find_spec(self, name, path=None, target=None):
        if name == "yaml._yaml" and not hasattr(sys.modules["yaml"], "SafeLoader"):
            raise AttributeError("module 'yaml' has no attribute 'SafeLoader'")
        return None
"""
    undo = "sys.modules.pop('yaml.tokens', None) if sys.modules.get('yaml.tokens') is None else None"
    found = run(prelude, changed, "from kfrun.load.kubeyaml import events", undo, REPORT)
    assert "yaml.loader" in found["loaded"]


def test_a_thread_that_asks_while_the_package_runs_waits_for_it():
    run("""
import threading
from kfrun.load.kubeyaml import events
import yaml

found, has_begun, loader = [], threading.Event(), yaml.__spec__.loader

class Slow:
    def exec_module(self, package):
        has_begun.set()
        asking.join(0.3)
        loader.exec_module(package)

yaml.__spec__.loader = Slow()
asking = threading.Thread(target=lambda: (has_begun.wait(), found.append(yaml.safe_load("a: 1"))))
asking.start()
assert yaml.safe_load("b: 2") == {"b": 2}
asking.join()
assert found == [{"a": 1}], found
""")
