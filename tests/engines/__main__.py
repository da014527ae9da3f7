"""Sets the engines of the tests up ahead: ``python -m tests.engines``. Exit code 3 where that cannot be done.

Tests do the same by themselves when they need it. It installs what is missing (as root, by apt-get), starts an engine
and stops it, and makes the base image in ``KFRUN_TEST_CACHE`` (default ``~/.cache/kfrun-tests``).
"""

from __future__ import annotations

import sys

from tests.engines import docker, images
from tests.engines.packages import EngineUnavailable


def main() -> int:
    """Set up, and tell what there is."""
    try:
        with docker.engine() as found:
            version = found.docker("version", "--format", "Docker {{.Server.Version}}, API {{.Server.APIVersion}}")
            print(f"{version.strip()} at {found.address}")
            print(f"base image: {images.given() or images.archive()}")
    except EngineUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
