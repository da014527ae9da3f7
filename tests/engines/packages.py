"""Debian packages that engines are made of. Called by ``docker`` and ``images``, as root, when programs are missing."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
"""Where programs are looked for: PATH, and what it lacks where people log in."""

_APT = ("-qq", "-o", "DPkg::Lock::Timeout=300")


class EngineUnavailable(Exception):
    """No engine can be had here; the message says why, and what would help."""


def cache() -> Path:
    """Where tests keep what costs minutes: ``KFRUN_TEST_CACHE``, or a folder of the user's own."""
    folder = Path(os.environ.get("KFRUN_TEST_CACHE") or Path.home() / ".cache" / "kfrun-tests") / "engines"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def alone(name: str) -> Iterator[None]:
    """One session of tests at a time installs or builds ``name``."""
    with (cache() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(packages: Mapping[str, str]) -> None:
    """Install the package of every program that is missing.

    Args:
        packages: program -> the Debian package that brings it.

    Raises:
        EngineUnavailable: no root, no apt-get, or apt-get failed.
    """
    with alone("packages"):
        missing = sorted({package for program, package in packages.items() if not find(program)})
        if not missing:
            return
        if os.geteuid() != 0 or not find("apt-get"):
            raise EngineUnavailable(f"{', '.join(missing)} not installed, and no root with apt-get to install them")
        print(f"installing {' '.join(missing)}", file=sys.stderr)
        run("apt-get", *_APT, "update", timeout=180)
        with _no_services():
            run("apt-get", *_APT, "install", "--yes", "--no-install-recommends", *missing, timeout=400)


@contextmanager
def _no_services() -> Iterator[None]:
    """Debian starts a service when it installs one, unless this file says otherwise. We only want the program."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def find(program: str) -> str | None:
    """The path of a program."""
    return shutil.which(program, path=SEARCHED)


def run(*command: str, timeout: int) -> None:
    """Run a program of the set-up to its end.

    Raises:
        EngineUnavailable: it failed or took longer than ``timeout`` seconds; with its last words.
    """
    environ = {**os.environ, "PATH": SEARCHED, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, env=environ
        )
    except subprocess.TimeoutExpired:
        raise EngineUnavailable(f"{command[0]} took longer than {timeout} s") from None
    if done.returncode:
        words = "\n".join(done.stdout.splitlines()[-15:])
        raise EngineUnavailable(f"{' '.join(command)}: exit code {done.returncode}\n{words}")
