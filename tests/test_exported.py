"""What modules offer: each can be imported alone, and names what it exports truly."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import kfrun

PACKAGE = Path(kfrun.__file__).parent
MODULES = sorted(
    ".".join(("kfrun", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
)

IMPORT_EACH_ALONE = """
import importlib, json, os, sys
failed = {}
for name in sys.argv[1:]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except BaseException as error:
            os.write(writer, repr(error).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as told:
        text = told.read()
    os.waitpid(child, 0)
    if text:
        failed[name] = text
print(json.dumps(failed))
"""


def test_every_module_can_be_imported_first():
    command = [sys.executable, "-W", "error", "-c", IMPORT_EACH_ALONE, *MODULES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(MODULES) > 100
    assert json.loads(done.stdout) == {}


@pytest.mark.parametrize("name", [name for name in MODULES if "__all__" in vars(importlib.import_module(name))])
def test_exported_names_exist(name):
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert {item for item in module.__all__ if not hasattr(module, item)} == set()


def test_the_package_itself_exports_nothing_yet():
    submodules = {name.split(".")[1] for name in MODULES if name.count(".") >= 1} | {"__main__"}
    assert {name for name in vars(kfrun) if not name.startswith("_")} - submodules == set()
