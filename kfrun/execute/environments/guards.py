"""Keeps the packages of a job in its environment: small programs called like pip, and what Python is told beside them.

Nobody installs into an environment that jobs share, and no job that has one may reach the pip of another Python, which
would change the caller's own packages. So a job finds the programs of this folder on its PATH: before those of a shared
environment; behind those of an isolated one, which has a pip of its own, for pips of other versions.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER: Final = "guards"
_PIPS: Final = (
    "easy_install",
    "pip",
    "pip2",
    *(f"pip3{minor}" for minor in ("", *(f".{number}" for number in range(6, 20)))),
)
_SHARED: Final = (
    "this environment is shared by all jobs that ask for the same packages, and nothing is installed into it: "
    "name the packages in kfrun.dev/packages, or set kfrun.dev/environment: isolated"
)
_ISOLATED: Final = (
    "it is the pip of another Python, and this job has an environment of its own: python -m pip is its pip"
)
_PIP: Final = '#!/bin/sh\necho "kfrun: ${{0##*/}}: {why}" >&2\nexit 1\n'
_UV: Final = f"""\
#!/bin/sh
words=" $* "
case $words in
*" pip "*"install "* | *" pip "*"sync "*)
    echo "kfrun: uv pip: {_SHARED}" >&2
    exit 1 ;;
esac
own=${{0%/*}}
IFS=:
for folder in $PATH; do
    if [ "$folder" != "$own" ] && [ -x "$folder/uv" ]; then
        unset IFS
        exec "$folder/uv" "$@"
    fi
done
echo "kfrun: uv: not found" >&2
exit 127
"""
_MODULE: Final = f"""\
import sys

WHY = {_SHARED!r}
if __name__ == "__main__":
    sys.exit(f"kfrun: pip: {{WHY}}")
raise ImportError(WHY, name="pip")
"""
"""Where a shared environment has no pip: what ``python -m pip`` runs."""

_START: Final = f"""\
import sys

WHY = {_SHARED!r}


def is_installing(words):
    "Whether Python was started to install something."
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word == "--check-hash-based-pycs":
            del rest[:1]
        elif not word.startswith("-") or word == "-":
            return False
        elif not word.startswith("--"):
            # The first letter that takes a value ends the letters: the value is the rest of the word, or the next one.
            for place, letter in enumerate(word):
                if letter == "c":
                    return False
                if letter in "mWX":
                    value = word[place + 1:] or (rest.pop(0) if rest else "")
                    if letter == "m":
                        return value.partition(".")[0] == "ensurepip" or (
                            value.partition(".")[0] in ("pip", "uv")
                            and any(each in rest for each in ("install", "uninstall", "sync"))
                        )
                    break
    return False


if is_installing(sys.orig_argv):
    import os

    os.write(2, f"kfrun: {{WHY}}\\n".encode())
    os._exit(1)
"""
"""Runs when a Python of a shared environment starts, and ends what would install something."""

_START_LINE: Final = (
    "import sys; any(word[:1] == '-' and 'm' in word for word in getattr(sys, 'orig_argv', ()))"
    " and __import__('_kfrun_shared')\n"
)


def folder(path: Path) -> Path:
    """Where the programs of the environment at ``path`` lie."""
    return path / _FOLDER


def guard(path: Path, *, is_shared: bool) -> None:
    """As `put`, where it can be: an older version built the environment, or a user who alone may write to it."""
    with contextlib.suppress(OSError):
        put(path, is_shared=is_shared)


def put(path: Path, *, is_shared: bool) -> None:
    """Put them into the environment at ``path``, unless they are there; others may do the same meanwhile.

    Raises:
        OSError: it cannot be written.
    """
    if folder(path).is_dir():
        return
    if is_shared:
        for site in path.glob("lib/*/site-packages"):
            _write(site / "_kfrun_shared.py", _START)
            _write(site / "_kfrun_shared.pth", _START_LINE)
            if not (site / "pip").exists():
                _write(site / "pip.py", _MODULE)
    draft = path / f"{_FOLDER}.{os.getpid()}"
    draft.mkdir(mode=0o700)
    for name in _PIPS:
        _write(draft / name, _PIP.format(why=_SHARED if is_shared else _ISOLATED), mode=0o755)
    if is_shared:
        _write(draft / "uv", _UV, mode=0o755)
    try:
        draft.rename(folder(path))
    except OSError:
        import shutil

        shutil.rmtree(draft)
        if not folder(path).is_dir():
            raise


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    draft.rename(path)
