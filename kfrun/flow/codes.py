"""Why a finding is a problem, what usually causes it and how to mend it, by its code.

The one-line meanings stand beside the code that raises the findings, in the tables named CODES; `tables` collects
them. Everything else is in the tables named REASONS and in those of the lint policies; upstream's places are those of
the rules.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kfrun.model.reason import Reason
from kfrun.model.values import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class Found(NamedTuple):
    """Who finds a code, and where to read more."""

    by: str
    documentation: tuple[str, ...]


_TRAINER: Final = "https://www.kubeflow.org/docs/components/trainer/"
_JOBSET: Final = "https://jobset.sigs.k8s.io/docs/"
_KUBERNETES: Final = "https://kubernetes.io/docs/"
_OBJECTS: Final = f"{_KUBERNETES}concepts/overview/working-with-objects/"
_PACKAGES: Final = "https://packaging.python.org/en/latest/specifications/"

STAGES: Final[dict[str, Found]] = {
    "KF1": Found("load: the text as kubectl reads it", (_OBJECTS, "https://yaml.org/spec/1.2.2/")),
    "KF12": Found("load: templates", ("https://jinja.palletsprojects.com/templates/", "kfrun validate --help")),
    **dict.fromkeys(
        ("KF126", "KF127", "KF128", "KF129"), Found("load: scripts", ("kfrun init --help", "kfrun run --help"))
    ),
    "KF19": Found("the command line", (f"{_OBJECTS}namespaces/",)),
    "KF2": Found(
        "validate: the schema of the kind",
        ("kfrun explain trainjob", f"{_KUBERNETES}reference/using-api/api-concepts/#field-validation"),
    ),
    "KF3": Found("validate: rules of the API server across fields", ("kfrun explain trainjob", _TRAINER)),
    "KF33": Found("validate: the Trainer's webhook for TrainJobs", (_TRAINER,)),
    "KF34": Found("validate: the Trainer's webhook for runtimes", (f"{_TRAINER}operator-guides/runtime/",)),
    "KF35": Found("validate: JobSet's admission", (f"{_JOBSET}concepts/",)),
    "KF36": Found("validate: the API server's rules of Jobs", (f"{_KUBERNETES}concepts/workloads/controllers/job/",)),
    "KF37": Found("validate: the API server's rules of containers", (f"{_KUBERNETES}concepts/workloads/pods/",)),
    "KF38": Found("validate: the API server's rules of pods", (f"{_KUBERNETES}concepts/workloads/pods/",)),
    "KF4": Found("resolve: the TrainJob and its runtime", (f"{_TRAINER}user-guides/", "kfrun runtimes show NAME")),
    "KF41": Found("resolve: packages", (_PACKAGES, "kfrun run --help")),
    "KF42": Found("resolve: what local processes can run", ("kfrun doctor", "kfrun plan --help")),
    "KF43": Found("convert: older manifests", (f"{_TRAINER}operator-guides/migration/",)),
    "KF5": Found("plan: what is wanted against what is there", ("kfrun plan --help",)),
    "KF6": Found("execute: this machine", ("kfrun doctor",)),
    "KF7": Found("lint: policies of a platform team", ("kfrun lint --help",)),
}
"""Begin of a code -> who finds it and where to read more; the longest wins."""

REASONS: Final[dict[str, Reason]] = {
    "KF190": Reason(
        "kubectl refuses it, too: the job would land where nobody looks for it.",
        "leave -n away, or change metadata.namespace",
        "-n and metadata.namespace differ.",
        source="kubectl: --namespace against the manifest",
    ),
    "KF601": Reason(
        "The processes would start in a folder that is not there; a container on a cluster has its image's.",
        "create the folder, or mend the path",
        "kfrun.dev/source or workingDir names a folder that is not there.",
        source="kfrun: folders of local processes",
    ),
    "KF602": Reason(
        "The installer would stop at it after the job was created.",
        "mend the path; the folder of a package has a pyproject.toml or a setup.py",
        "The path begins at the manifest's folder, not at the current one.",
        source="kfrun: packages of local processes",
    ),
    "KF603": Reason(
        "The container would start, end at once with code 128 or 126, and the job would fail.",
        "name a program that is there; a command is a list of words, [python, train.py], and no shell reads it",
        "A misspelt program, a script without its x bit or its first line, a package that is missing.",
        source="kfrun: commands of local processes",
    ),
    "KF604": Reason(
        "The interpreter would end with a code of its own, 2 for Python, and the job would fail.",
        "mend the name; it begins at the job's source folder, which kfrun.dev/source names",
        "A misspelt name, or a manifest in a folder of its own, beside the one with the script.",
        source="kfrun: commands of local processes",
    ),
    "KF606": Reason(
        "MLX computes on the chips of Apple; its programs would not even start here.",
        "run it on a Mac, or on a cluster with an image that brings MLX for the CPU or for NVIDIA",
        "A runtime with the label trainer.kubeflow.org/framework: mlx, on Linux.",
        source="kfrun: frameworks of local processes",
    ),
    "KF607": Reason(
        "The containers would not see the folder at that path.",
        "name a folder that is there, and a path of its own for it",
        "A misspelt name, or a runtime with a volume at the path where the job shows its source folder.",
        source="kfrun: folders of local processes",
    ),
    "KF608": Reason(
        "A scheduler finds no node for the pods, and they wait: Pending, FailedScheduling. So they do here.",
        "request what this machine has, or run it on a cluster with nodes that are large enough",
        "A manifest made for the nodes of a cluster, with GPUs or memory that this machine does not have.",
        source="Kubernetes: the scheduler's NodeResourcesFit",
    ),
    "KF605": Reason(
        "A shell takes the carriage return for a part of each command, and finds none of that name.",
        "save it with the line ends of Unix",
        "An editor on Windows, or git with core.autocrlf.",
        source="kfrun: commands of local processes",
    ),
}
"""Of the codes that verbs and execute raise."""

_TABLES: Final = (
    "load.reasons",
    "validate.reasons",
    "validate.admission.reasons",
    "resolve.reasons",
    "plan.reasons",
)
_RULES: Final = (
    "rules.cel",
    "admission.webhook",
    "admission.runtime_webhook",
    "admission.jobset",
    "admission.jobs",
    "admission.pods",
    "admission.containers",
)


def tables() -> dict[str, str]:
    """Every code and its meaning, from the tables named CODES of all modules, in the order of the codes."""
    import kfrun

    folder = Path(kfrun.__file__).parent
    found: dict[str, str] = {}
    for path in folder.rglob("*.py"):
        # Importing all modules to look for tables would take ten times as long.
        if re.search(r"^CODES\b", path.read_text(encoding="utf-8"), re.MULTILINE):
            name = ".".join(("kfrun", *path.relative_to(folder).with_suffix("").parts))
            found.update(importlib.import_module(name.removesuffix(".__init__")).CODES)
    return dict(sorted(found.items()))


def reasons() -> dict[str, Reason]:
    """What is to be said of every code, with its source."""
    found = dict(REASONS)
    for name in _TABLES:
        found.update(importlib.import_module(f"kfrun.{name}").REASONS)
    found.update(_of_lint())
    sources = _sources()
    return {code: reason._replace(source=reason.source or sources.get(code, "")) for code, reason in found.items()}


def helps(codes: Collection[str]) -> dict[str, str]:
    """Why each of ``codes`` is a problem and how to mend it, in a few sentences."""
    if not codes:
        return {}
    known = reasons()
    return {code: f"{known[code].why} How to mend it: {known[code].mend}." for code in codes if code in known}


def pages(codes: Collection[str]) -> dict[str, str]:
    """A page on the web about each of ``codes``, where there is one."""
    found = ((code, next(filter(_is_url, stage(code).documentation), None)) for code in codes)
    return {code: page for code, page in found if page is not None}


def _is_url(text: str) -> bool:
    return text.startswith("https://")


def stage(code: str) -> Found:
    """Who finds ``code``, and where to read more."""
    return next(STAGES[code[:length]] for length in (5, 4, 3) if code[:length] in STAGES)


def _of_lint() -> Iterator[tuple[str, Reason]]:
    from kfrun.validate.lint import examples, table

    yield "KF700", table.UNKNOWN
    for policy in table.POLICIES:
        wrong, right = examples.EXAMPLES.get(policy.code, ("", ""))
        source = "kfrun: lint; a cluster admits it"
        yield policy.code, Reason(policy.why, policy.mend, wrong=wrong, right=right, source=source)


def _sources() -> dict[str, str]:
    """Where upstream states the rules of a code, from the tables of rules and the rules that stand alone."""
    from kfrun.validate.admission.causes import Rule
    from kfrun.validate.rules.cel import CelRule

    found: dict[str, dict[str, None]] = {}
    for name in _RULES:
        module = importlib.import_module(f"kfrun.validate.{name}")
        alone = [one for one in vars(module).values() if isinstance(one, Rule | CelRule)]
        for rule in (*module.RULES, *alone):
            found.setdefault(rule.code, {})[rule.source] = None
    return {code: "; ".join(sources) for code, sources in found.items()}
