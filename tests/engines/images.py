"""A base image without a registry: Debian with Python, by debootstrap. Called by the fixture ``base_image``.

It stands for ``python:3.x-slim``: Python with venv, no compiled modules of the standard library, no package lists. Like
the base image of a company, it knows the certificates that this machine trusts.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engines import packages
from tests.engines.packages import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engines.docker import Engine

PACKAGES = {"debootstrap": "debootstrap", "tar": "tar", "unshare": "util-linux"}
SUITE = "bookworm"
INCLUDED = "ca-certificates,python3,python3-venv"
LEFT_OUT = ("./var/cache/apt", "./var/lib/apt/lists", "./usr/share/doc", "./usr/share/locale", "./usr/share/man")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_LONGEST = 400

# In memory, in a mount namespace of its own: fast, and gone with it. The arguments: a folder, what to include, the
# suite, the archive, and what tar leaves out.
_MAKE = """
set -eu
folder=$1 included=$2 suite=$3 archive=$4
shift 4
mount -t tmpfs tmpfs "$folder"
debootstrap --variant=minbase --include="$included" "$suite" "$folder/root"
tar -C "$folder/root" --numeric-owner "$@" -cf "$archive" .
"""


def archive() -> Path:
    """The root file system as an archive, made once per machine (40 s).

    Raises:
        EngineUnavailable: it cannot be made.
    """
    recipe = hashlib.sha256("\n".join((SUITE, INCLUDED, *LEFT_OUT)).encode()).hexdigest()[:12]
    made = packages.cache() / f"{SUITE}-{recipe}.tar"
    with packages.alone(made.stem):
        if made.exists():
            return made
        if os.geteuid() != 0:
            raise EngineUnavailable("no base image: set KFRUN_TEST_BASE_IMAGE (python:3.13-slim), or run as root")
        packages.ensure(PACKAGES)
        print("making a base image of Debian", file=sys.stderr)
        partial = made.with_suffix(".partial")
        with tempfile.TemporaryDirectory(prefix="kfrun-base-") as folder:
            excluded = [f"--exclude={name}/*" for name in LEFT_OUT]
            script = ("unshare", "--mount", "sh", "-c", _MAKE, "sh", folder, INCLUDED, SUITE)
            packages.run(*script, str(partial), *excluded, "--exclude=__pycache__", timeout=_LONGEST)
        partial.replace(made)
    return made


def given() -> str | None:
    """The image that is to be built upon instead, one that the engine has or can pull: python:3.13-slim."""
    return os.environ.get("KFRUN_TEST_BASE_IMAGE") or None


@contextmanager
def base_image(engine: Engine) -> Iterator[str]:
    """The name of an image with Python in the engine; ours is removed afterwards.

    Raises:
        EngineUnavailable: the root file system cannot be made.
    """
    name = given()
    if name:
        yield name
        return
    name = f"kfrun-test-base:{os.getpid()}"
    path = f"ENV PATH={PATH}"
    bare = engine.docker("import", "--change", path, archive()).strip()
    own = Path(os.environ.get("SSL_CERT_FILE") or CERTIFICATES)
    files = {"Dockerfile": f"FROM {bare}\n".encode()}
    if own.is_file():
        files["Dockerfile"] += f"COPY own.crt {CERTIFICATES}\nENV PIP_CERT={CERTIFICATES}\n".encode()
        files["own.crt"] = own.read_bytes()
    engine.docker("build", "--tag", name, "-", stdin=_tar(files), DOCKER_BUILDKIT="0")
    try:
        yield name
    finally:
        # what a build was made from stays where builds of others stay, too
        engine.docker("rmi", "--force", name)


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as context:
        for name, data in files.items():
            item = tarfile.TarInfo(name)
            item.size, item.mode = len(data), 0o644
            context.addfile(item, io.BytesIO(data))
    return packed.getvalue()
