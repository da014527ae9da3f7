"""Programs that make manifests: kustomize, of a folder, and helm, of a chart."""

from __future__ import annotations

import os
from typing import Final

from kfrun import paths
from kfrun.errors import NotFound, Unavailable

KUSTOMIZE: Final = "kustomize://"
HELM: Final = "helm://"
SCHEMES: Final = (KUSTOMIZE, HELM)
"""How inputs name what is to be made, before the folder or the chart."""

SECONDS: Final = 120.0
"""Longest time that a program may take."""

_COMMANDS: Final = {
    KUSTOMIZE: (("kustomize", "build"), ("kubectl", "kustomize")),
    HELM: (("helm", "template"),),
}


def output(name: str) -> bytes:
    """What the program makes of an input that begins with one of `SCHEMES`.

    Raises:
        NotFound: there is no such folder or chart.
        Unavailable: the program is not there, takes too long, or fails.
    """
    import shutil
    import subprocess

    scheme, place = taken_apart(name)
    if not os.path.exists(place):
        what = "-k takes the folder of a kustomization.yaml" if scheme == KUSTOMIZE else "--helm takes a chart"
        raise NotFound(f"no such folder or chart: {place or repr(place)}", what)
    chosen = next((words for words in _COMMANDS[scheme] if shutil.which(words[0])), None)
    if chosen is None:
        names = [words[0] for words in _COMMANDS[scheme]]
        wanted = f"neither {names[0]} nor {names[1]} is" if len(names) > 1 else f"{names[0]} is not"
        raise Unavailable(f"{wanted} in PATH", f"install {' or '.join(names)}")
    # a name that begins with a dash would be an option
    argument = place if place.startswith("/") else os.path.join(".", place)
    try:
        done = subprocess.run(
            [*chosen, argument], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{chosen[0]} took more than {SECONDS:g} s for {place}") from None
    except OSError as error:
        raise Unavailable(f"{chosen[0]} cannot be started: {(error.strerror or str(error)).lower()}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise Unavailable(f"{' '.join(chosen)} {place} failed with exit code {done.returncode}: {said[-1]}")
    return done.stdout


def absolute(name: str, folder: str) -> str:
    """The input as it can be had from any folder."""
    scheme, place = taken_apart(name)
    return scheme + paths.absolute(place, folder)


def taken_apart(name: str) -> tuple[str, str]:
    """The scheme of an input, and what it names."""
    scheme = next(one for one in SCHEMES if name.startswith(one))
    return scheme, name.removeprefix(scheme)
