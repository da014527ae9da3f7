"""Sets PyTorch up for tests: ``python -m tests.setup_torch`` builds the environment of examples/torch-ddp.

kfrun itself builds it, where the example will look for it: below ``KFRUN_TEST_CACHE`` (default
``~/.cache/kfrun-tests``), so that the 5 GB are fetched once. A failure is loud: exit code 3 and the installer's words.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

from kfrun.errors import EnvironmentFailed
from kfrun.execute import environments

MANIFEST = Path(__file__).parents[1] / "examples" / "torch-ddp" / "job.yaml"


def torch_environment() -> Path:
    """The environment of the torch example, built when it is not there.

    Raises:
        EnvironmentFailed: it cannot be built.
    """
    packages = yaml.safe_load(MANIFEST.read_text())["metadata"]["annotations"]["kfrun.dev/packages"].split()
    return environment_of(*packages)


def environment_of(*packages: str) -> Path:
    """An environment with these packages, in the tests' cache.

    Raises:
        EnvironmentFailed: it cannot be built.
    """
    cache = Path(os.environ.get("KFRUN_TEST_CACHE") or Path.home() / ".cache" / "kfrun-tests")
    interpreter = environments.default_interpreter()
    request = environments.EnvironmentRequest(
        requirements=packages,
        index_urls=(),
        python=None,
        interpreter=interpreter,
        interpreter_facts=environments.host_facts(interpreter),
        settings=environments.fingerprint(os.environ),
        isolated_for=None,
    )
    return environments.build(request, cache, sys.stderr.buffer)


def main() -> int:
    """Build and print the folder."""
    try:
        print(torch_environment())
    except EnvironmentFailed as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
