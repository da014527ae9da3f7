"""A commit of a git repository, read through one ``git cat-file`` that stays.

git only hands out objects here: names go to its standard input, never into a command line, and nothing runs that a
repository could name itself: no filters, no text conversion, no pager, no hooks, and nothing is fetched.
"""

from __future__ import annotations

import os
import re
from typing import IO, TYPE_CHECKING, Final

from kfrun.errors import NotFound, Unavailable, UsageProblem
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess, Popen

SECONDS: Final = 60.0
"""Longest time that git may take for everything asked of one repository."""

MAX_LINKS: Final = 40
"""More symbolic links on the way to a file are a loop."""

_FOUND: Final = re.compile(rb"([0-9a-f]{40,64}) (\w+) ([0-9]+)\n")
_COMMAND: Final = ("git", "--no-pager", "-c", "core.fsmonitor=false")
_KEPT: Final = ("GIT_CONFIG_", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_", "GIT_EXEC_PATH", "GIT_TEST_")
"""Variables that say how git works. All others say which repository: those of a hook would name a wrong one."""

_INCOMPLETE: Final = (
    "a partial clone has not everything: git show REVISION:PATH fetches it; git fsck finds what is broken"
)
_TREE, _LINK, _SUBMODULE = "40000", "120000", "160000"


class LeavesRepository(Exception):
    """A symbolic link of the commit leads out of its repository."""


class TreeEntry(NamedTuple):
    """What a folder of a commit holds under a name.

    Attributes:
        mode: git's, in octal.
        oid: the object's name, in hexadecimal digits.
    """

    mode: str
    oid: str

    @property
    def is_folder(self) -> bool:
        """A folder; of a submodule git knows but the commit."""
        return self.mode == _TREE

    @property
    def is_submodule(self) -> bool:
        """A commit of another repository."""
        return self.mode == _SUBMODULE

    @property
    def is_link(self) -> bool:
        """A symbolic link."""
        return self.mode == _LINK


def top_of(folder: str) -> str | None:
    """The top of the work tree that holds ``folder``; None where there is none.

    Raises:
        Unavailable: there is no git, or it refuses to work here.
    """
    done = _asked(folder, "rev-parse", "--show-toplevel")
    if done.returncode == 0:
        return os.fsdecode(done.stdout.removesuffix(b"\n"))
    reason = done.stderr.decode(errors="replace").partition("\n")[0].removeprefix("fatal: ")
    # what git says is for people; that it answers when it may trust everybody tells why it did not
    trusting = _asked(folder, "-c", "safe.directory=*", "rev-parse", "--is-inside-work-tree")
    if trusting.returncode == 0:
        if trusting.stdout != b"true\n":
            return None
        hint = f"the repository is somebody else's; trust it: git config --global --add safe.directory {folder}"
        raise Unavailable(f"git does not read {folder}: {reason}", hint)
    if _is_below_git(folder):
        raise Unavailable(f"git does not read {folder}: {reason}")
    return None


def tracked(folder: str) -> list[str]:
    """Names of the files below ``folder`` that git tracks, submodules included, relative to it.

    Raises:
        Unavailable: there is no git, or it refuses to work here.
    """
    done = _asked(folder, "ls-files", "--cached", "--recurse-submodules", "-z")
    if done.returncode:
        reason = done.stderr.decode(errors="replace").partition("\n")[0].removeprefix("fatal: ")
        raise Unavailable(f"git does not list {folder}: {reason}")
    return sorted({os.fsdecode(name) for name in done.stdout.split(b"\0") if name})


def _asked(folder: str, *arguments: str) -> CompletedProcess[bytes]:
    import subprocess

    command = [*_COMMAND, "-C", folder, *arguments]
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=_environment(), timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"git does not answer in {folder}") from None
    except OSError as error:
        raise _no_git(error) from None


def _is_below_git(folder: str) -> bool:
    """Whether something here or above looks like a repository, as far up as git goes."""
    ceilings = os.environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
    while folder not in ceilings:
        above = os.path.dirname(folder)
        if os.path.lexists(os.path.join(folder, ".git")):
            return True
        if above == folder:
            break
        folder = above
    return False


class Repository:
    """A repository at one commit. Close it: a process of git waits behind it."""

    def __init__(self, top: str) -> None:
        """Start git in the work tree at ``top``.

        Raises:
            Unavailable: git cannot be started.
        """
        import subprocess
        import threading

        self.top = top
        self.root = TreeEntry(_TREE, "")
        self.looked_at = 0
        """Entries of folders that were asked for; who walks along them counts."""
        self._folders: dict[str, dict[str, TreeEntry]] = {}
        try:
            self._git: Popen[bytes] = subprocess.Popen(
                [*_COMMAND, "-C", top, "cat-file", "--batch"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
            )  # fmt: skip
        except OSError as error:
            raise _no_git(error) from None
        assert self._git.stdin is not None
        assert self._git.stdout is not None
        self._questions: IO[bytes] = self._git.stdin
        self._answers: IO[bytes] = self._git.stdout
        self._limit = threading.Timer(SECONDS, self._git.kill)
        self._limit.daemon = True
        self._limit.start()

    def close(self) -> None:
        """End git."""
        self._limit.cancel()
        self._git.kill()
        self._git.communicate()

    def check_out(self, revision: str) -> None:
        """Look at ``revision`` from now on, whatever git reads as a commit.

        Raises:
            UsageProblem: it is no revision at all.
            NotFound: the repository has none of that name.
            Unavailable: git failed.
        """
        found = self._read(f"{revision}^{{tree}}", 0)
        if found is None:
            shown = revision if len(revision) <= 80 else revision[:77] + "..."
            raise NotFound(
                f'the git repository {self.top} has no revision "{shown}"',
                "git fetch gets it; CI clones one commit only unless told otherwise (fetch-depth: 0, GIT_DEPTH: 0)",
            )
        self.root = TreeEntry(_TREE, found[0])

    def find(self, path: str) -> TreeEntry | None:
        """What stands at ``path``, in slashes from the top, links of the commit followed; None where nothing does.

        Raises:
            LeavesRepository: a link does.
            Unavailable: git failed.
        """
        parts, links, opened = path.split("/"), 0, [self.root]
        while parts:
            name = parts.pop(0)
            if name == "..":
                if len(opened) == 1:
                    raise LeavesRepository
                opened.pop()
            if name in ("", ".", ".."):
                continue
            entry = self.folder(opened[-1]).get(name) if opened[-1].is_folder else None
            if entry is None or links > MAX_LINKS:
                return None
            if not entry.is_link:
                opened.append(entry)
                continue
            links += 1
            target = os.fsdecode(self.content(entry, path, 4096))
            if target.startswith("/"):
                raise LeavesRepository
            parts = [*target.split("/"), *parts]
        return opened[-1]

    def folder(self, entry: TreeEntry) -> dict[str, TreeEntry]:
        """The entries of a folder by name.

        Raises:
            Unavailable: git failed, or lacks the folder.
        """
        if entry.oid not in self._folders:
            raw = self.content(entry, "a folder")
            try:
                self._folders[entry.oid] = dict(_entries(raw, len(entry.oid) // 2))
            except ValueError:
                raise Unavailable(f"a folder in the git repository {self.top} is damaged", _INCOMPLETE) from None
        return self._folders[entry.oid]

    def content(self, entry: TreeEntry, name: str, most: int | None = None) -> bytes:
        """The bytes of an object, the first ``most``; ``name`` stands for it in messages.

        Raises:
            Unavailable: git failed, or lacks it.
        """
        found = self._read(entry.oid, most)
        if found is None:
            raise Unavailable(f"{name} is not in the git repository {self.top}", _INCOMPLETE)
        return found[1]

    def _read(self, name: str, most: int | None) -> tuple[str, bytes] | None:
        """An object's id and its first ``most`` bytes; None when there is no such, or several are meant."""
        try:
            self._questions.write(os.fsencode(name) + b"\n")
            self._questions.flush()
            header = self._answers.readline()
            found = _FOUND.fullmatch(header)
            if found is None and header:
                return None
            if found is not None:
                content = self._body(int(found[3]), most)
                if self._answers.read(1) == b"\n":
                    return found[1].decode(), content
        except OSError:
            pass
        raise Unavailable(f"git stopped while it read the repository {self.top}", _INCOMPLETE)

    def _body(self, size: int, most: int | None) -> bytes:
        kept = self._answers.read(size if most is None else min(size, most))
        left = size - len(kept)
        while left > 0:
            skipped = len(self._answers.read(min(left, 2**20)))
            if not skipped:
                break
            left -= skipped
        return kept


def check_revision(revision: str) -> None:
    """Refuse what git would take for something else than a revision.

    Raises:
        UsageProblem: an option, several lines or nothing.
    """
    if not revision.strip() or revision.startswith("-") or re.search("[\x00-\x1f\x7f]", revision):
        raise UsageProblem(
            f"--previous-ref {revision!r} is no git revision",
            "name a branch, a tag or a commit, as origin/main or HEAD~1",
        )


def _entries(raw: bytes, width: int) -> Iterator[tuple[str, TreeEntry]]:
    """A tree object taken to pieces: mode, blank, name, NUL and ``width`` bytes of an id, again and again."""
    at = 0
    while at < len(raw):
        blank = raw.index(b" ", at)
        end = raw.index(b"\0", blank)
        yield os.fsdecode(raw[blank + 1 : end]), TreeEntry(raw[at:blank].decode(), raw[end + 1 : end + 1 + width].hex())
        at = end + 1 + width


def _environment() -> dict[str, str]:
    """The caller's environment, without what would choose a repository, ask somebody, or fetch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)}
    return {
        **kept,
        "LC_ALL": "C",  # what git says stands among our own words
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",  # for git before 2.45, which does not know the line above
    }


def _no_git(error: OSError) -> Unavailable:
    hint = "install git, or give the old objects with --previous"
    if isinstance(error, FileNotFoundError):
        return Unavailable("git is not installed", hint)
    return Unavailable(f"git cannot be started: {(error.strerror or str(error)).lower()}", hint)
