"""The tests of the YAML reader hold with every libyaml that users have, not only with the one installed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.load import pyyamls

ROOT = Path(__file__).parents[2]
INSTALLED = pyyamls.installed()
OTHERS = [version for version in pyyamls.VERSIONS if version != INSTALLED]


@pytest.mark.parametrize("libyaml", OTHERS)
def test_yaml_is_read_alike_with_another_libyaml(libyaml: str) -> None:
    try:
        environ = pyyamls.environment(libyaml)
    except pyyamls.PyyamlUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    assert pyyamls.installed(environ) == libyaml
    # with PyYAML's own parser they have been run already
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not pure", "tests/load/kubeyaml"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout
