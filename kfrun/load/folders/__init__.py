"""The files of a folder that are read: what is excluded or ignored is not, nor what other tools make manifests of.

A file that is named itself is always read. What is passed over is told, once for each reason.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from kfrun import paths, terminal
from kfrun.errors import NotFound, Unavailable
from kfrun.load.folders import ignored
from kfrun.load.folders.ignored import Ignored
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SUFFIXES: Final = (".json", ".yaml", ".yml", ".yaml.j2", ".yml.j2")
"""Files of a folder that are read; a file given by its name may have any suffix."""

TEMPLATES: Final = (".yaml.j2", ".yml.j2")
"""Sources that are always rendered."""

CHART: Final = "Helm charts"
KUSTOMIZATION: Final = "kustomizations"
HELM: Final = "Helm templates"
FOREIGN: Final = "templates of other programs"

_WAYS: Final = {
    CHART: "kfrun validate --helm {} checks what one makes",
    KUSTOMIZATION: "kfrun validate -k {} checks what one makes",
    HELM: "kfrun validate --helm CHART checks what a chart makes",
    FOREIGN: "a template of a TrainJob names trainer.kubeflow.org",
}
_MOST: Final = 3
_KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml")
_GO: Final = pattern(
    r"(?m)^\s*(?:- )?\{\{-?\s*(?:if|range|with|end|else|include|define|template|toYaml|/\*|\$|\.)"
    r"|\{\{-?\s*(?:\.(?:Values|Release|Chart|Capabilities|Files|Template)\b|include\s|template\s|toYaml\s)"
)
_NO_SCRIPTS: Final = ("setup.py", "conftest.py", "noxfile.py")
"""Python files that other programs run."""


class Exclusion:
    """What is left out of folders, and what was.

    Args:
        patterns: like lines of a .gitignore, those with a slash absolute.
        tell: gets a line for each reason for which something was passed over.
    """

    def __init__(self, patterns: Sequence[str] = (), tell: Callable[[str], object] = lambda _: None) -> None:
        self._tell = tell
        self._rules = Ignored(tuple(ignored.rules("", patterns)))
        self._passed: dict[str, list[str]] = {}

    def of(self, folder: str) -> Ignored:
        """The rules in a folder, an absolute path, with those of the work tree above it."""
        return Ignored((*ignored.above(folder).rules, *self._rules.rules))

    def below(self, rules: Ignored, folder: str) -> Ignored:
        """With those of a .gitignore in the folder; what was excluded by name stays so."""
        own = len(self._rules.rules)
        inherited = rules.rules[: len(rules.rules) - own]
        return Ignored((*Ignored(inherited).below(folder).rules, *self._rules.rules))

    def passes(self, kind: str, name: str) -> bool:
        """Note that something is passed over; True, for whoever asks."""
        self._passed.setdefault(kind, []).append(name)
        return True

    def report(self) -> None:
        """Tell what was passed over since the last time."""
        for kind, names in self._passed.items():
            more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
            first = terminal.quoted(os.path.dirname(names[0]) or "." if kind == KUSTOMIZATION else names[0])
            self._tell(f"passed over {kind}: {', '.join(names[:_MOST])}{more}; {_WAYS[kind].format(first)}")
        self._passed.clear()


def files(folder: str, exclusion: Exclusion, *, recursive: bool) -> Iterator[tuple[str, Unavailable | None]]:
    """The paths of a folder's files by name, and of folders below it that cannot be read, with why not.

    A link to a folder is not followed, so there are no loops.

    Raises:
        NotFound: it is a Helm chart.
        Unavailable: it cannot be read.
    """
    entries = listed(folder)
    if _is_chart(folder):
        raise NotFound(
            f"{folder} is a Helm chart",
            f"kfrun validate --helm {terminal.quoted(folder)} checks what it makes",
        )
    top = paths.absolute(folder, "/" if folder.startswith("/") else os.getcwd())
    opened = [(iter(entries), exclusion.below(exclusion.of(top), top))]
    while opened:
        entry = next(opened[-1][0], None)
        if entry is None:
            opened.pop()
            continue
        rules = opened[-1][1]
        is_folder = entry.is_dir(follow_symlinks=False)
        place = f"{top}/{entry.path[len(folder) :].lstrip('/')}"
        if rules.rules and rules.matches(place, is_folder=is_folder):
            continue
        if not is_folder:
            if entry.name.endswith(SUFFIXES) and _is_file(entry) and not _is_of_kustomize(entry, exclusion):
                yield entry.path, None
        elif recursive and not (_is_chart(entry.path) and exclusion.passes(CHART, entry.path)):
            try:
                opened.append((iter(listed(entry.path)), exclusion.below(rules, place)))
            except Unavailable as error:
                yield entry.path, error


def is_foreign(name: str, text: str, exclusion: Exclusion) -> bool:
    """Whether the text of a file that was found in a folder is a template of another tool, which is passed over."""
    if "{{" not in text and "{%" not in text:
        return False
    if name.endswith(TEMPLATES):
        return "kubeflow.org" not in text and exclusion.passes(FOREIGN, name)
    return _GO.search(text) is not None and exclusion.passes(HELM, name)


def scripts(folder: str) -> list[str]:
    """The Python scripts of a folder that somebody may want to run, those with a usual name first."""
    names = [entry.name for entry in listed(folder) if entry.name.endswith(".py") and _is_file(entry)]
    wanted = [name for name in names if not name.startswith(("_", "test_")) and name not in _NO_SCRIPTS]
    return sorted(wanted, key=lambda name: (name not in ("train.py", "main.py"), name))


def listed(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder by name, without what is hidden.

    Raises:
        Unavailable: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Unavailable(f"the folder {folder} cannot be read: {reason}") from error
    return sorted(visible, key=lambda entry: entry.name)


def _is_chart(folder: str) -> bool:
    return os.path.isfile(f"{folder}/Chart.yaml")


def _is_of_kustomize(entry: os.DirEntry[str], exclusion: Exclusion) -> bool:
    return entry.name in _KUSTOMIZATIONS and exclusion.passes(KUSTOMIZATION, entry.path)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether the entry is to be read; what cannot be is, too, so that somebody hears of it: a broken link, a FIFO."""
    try:
        return not entry.is_dir()
    except OSError:  # a link to itself
        return True
