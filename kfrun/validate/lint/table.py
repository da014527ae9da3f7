"""Every lint policy with its reason, and the check of manifests by those that are on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kfrun.model.kinds import RUNTIMES, TRAIN_JOB, TRAINER_KINDS
from kfrun.model.reason import Reason
from kfrun.model.resolution import Effects
from kfrun.model.source import Document, Finding, Severity, Stage
from kfrun.model.values import NamedTuple, replace
from kfrun.validate import located
from kfrun.validate.lint import commands, ignores, images, jobs, pods, secrets
from kfrun.validate.lint.subject import Choice, Subject, is_document_of_interest
from kfrun.validate.located import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from kfrun.validate.lint.subject import Check

CODES: Final = {
    "KF700": "lint-ignore names something that is no policy",
    "KF701": "an image with the tag latest or without a tag",
    "KF702": "an image that cannot be pulled",
    "KF703": "no resources",
    "KF704": "a secret in plain sight",
    "KF705": "several nodes and no volume for checkpoints",
    "KF706": "a deprecated runtime",
    "KF707": "a package that is not pinned",
    "KF708": "a quantity written as a number",
    "KF709": "suspended, with volumeClaimPolicies",
    "KF710": "a volume without a source",
    "KF711": "a runtime without a framework label",
    "KF712": "several nodes and no deadline",
    "KF713": "a privileged container",
    "KF714": "access to the host",
    "KF715": "a package index without encryption, or with a password",
    "KF716": "several GPUs and little shared memory",
    "KF717": "a label that the team asks for is missing",
    "KF718": "an image from a registry that is not the team's",
    "KF719": "a relative mountPath",
    "KF720": "a storageUri that no initializer can fetch",
    "KF721": "a distributed runtime without a trainer section",
    "KF722": "a setting that reaches no container",
    "KF723": "a quantity that a cluster writes otherwise",
    "KF724": "several processes of torch and no launcher",
    "KF725": "a command in one text",
}


class Policy(NamedTuple):
    """One lint policy.

    Attributes:
        code: of its findings, a key of `CODES`, which holds its title.
        kinds: the kinds that it is for.
        check: yields the problems of a subject.
        why: what goes wrong otherwise.
        mend: what to write instead; the hint of its findings that have none of their own.
    """

    code: str
    kinds: tuple[str, ...]
    check: Check
    why: str
    mend: str

    @property
    def title(self) -> str:
        """What it finds, in few words."""
        return CODES[self.code]


_JOB: Final = (TRAIN_JOB,)

POLICIES: Final[tuple[Policy, ...]] = (
    Policy("KF701", TRAINER_KINDS, images.moving_tag,
           "A tag that moves runs other code on each node and on each retry, and no review saw it.",
           "name a version, or better a digest: image@sha256:..."),
    Policy("KF702", TRAINER_KINDS, images.unreadable,
           "Admission takes any text as an image; the kubelet does not, and the job never starts.",
           "write registry/repository:tag, repository in lower case, no blanks"),
    Policy("KF703", _JOB, jobs.no_resources,
           "The scheduler packs such pods anywhere, and the kubelet evicts them first.",
           "set trainer.resourcesPerNode, or resources in the runtime"),
    Policy("KF704", TRAINER_KINDS, secrets.plain_secret,
           "Whoever reads the repository, the object or the logs of admission has the secret.",
           "put it into a Secret and refer to it: valueFrom.secretKeyRef"),
    Policy("KF705", _JOB, pods.no_checkpoint_volume,
           "The more nodes, the sooner one fails, and every failure starts all of them again.",
           "mount a claim for checkpoints: in the runtime, or by runtimePatches"),
    Policy("KF706", _JOB, jobs.deprecated_runtime,
           "It will be removed, and jobs that refer to it are refused then.",
           "refer to the runtime that follows it"),
    Policy("KF707", TRAINER_KINDS, secrets.unpinned,
           "A run cannot be repeated when its packages are whatever was newest that day.",
           "pin it: name==version"),
    Policy("KF708", _JOB, jobs.bare_quantities,
           "The webhook stores the number as text when it rewrites the object, and trainer cannot change afterwards.",
           "put it in quotes"),
    Policy("KF709", _JOB, jobs.suspended_claims,
           "JobSet fills in fields of the claims, and each update of the suspended JobSet is refused for them.",
           "create it unsuspended, or use a runtime without volumeClaimPolicies"),
    Policy("KF710", TRAINER_KINDS, pods.no_source,
           "It is admitted and mounted, and what was written into it is gone with the pod.",
           "name a source: persistentVolumeClaim, configMap, ..., or emptyDir: {} where that is meant"),
    Policy("KF711", RUNTIMES, jobs.no_framework,
           "The Kubeflow SDK shows only runtimes whose framework it knows.",
           f"set the label {jobs.FRAMEWORK_LABEL}: torch"),
    Policy("KF712", _JOB, jobs.no_deadline,
           "One rank that hangs in a collective keeps every node until somebody notices.",
           "set spec.activeDeadlineSeconds"),
    Policy("KF713", TRAINER_KINDS, pods.privileged,
           "A flaw in the training code becomes a flaw of the node.",
           "leave it out; ask for the one capability that is needed"),
    Policy("KF714", TRAINER_KINDS, pods.host_access,
           "The job sees what belongs to the node and to other jobs.",
           "use a claim for data, and the pod's own network"),
    Policy("KF715", TRAINER_KINDS, secrets.open_index,
           "Packages run as the job: who changes them on the way runs code in it.",
           "use https, and leave the password to pip's or uv's own settings"),
    Policy("KF716", _JOB, pods.no_shared_memory,
           "Data loader workers end with a bus error as soon as the shared memory is full.",
           "mount an emptyDir with medium: Memory at /dev/shm"),
    Policy("KF717", TRAINER_KINDS, jobs.missing_labels,
           "The team accounts for and selects jobs by these labels.",
           "add it under metadata.labels"),
    Policy("KF718", TRAINER_KINDS, images.foreign_registry,
           "Only images of these registries are scanned and kept.",
           "copy the image into one of them"),
    Policy("KF719", TRAINER_KINDS, pods.relative_mount,
           "It is admitted, and the container runtime decides where it is, or refuses it.",
           "write an absolute path"),
    Policy("KF720", _JOB, jobs.unreachable_storage,
           "Any URI is admitted; the initializer's pod then fails, and the job with it.",
           "copy the data to one of these, or use an initializer image of your own"),
    Policy("KF721", _JOB, jobs.no_trainer,
           "Every node then trains alone, on everything, and nothing says so.",
           "add trainer: {}, or what differs from the runtime"),
    Policy("KF722", _JOB, jobs.unreached,
           "The controller passes over it without a word: what the runtime says runs, as often as it says.",
           "label the Job template that is meant (replicatedJobs[].template.metadata.labels) and name its container "
           "as upstream does, or write the setting into the runtime"),
    Policy("KF723", _JOB, jobs.rewritten,
           "The webhook that stamps the time of a runtime patch writes the whole TrainJob anew, and what cannot change "
           "has changed then: the patch is refused, whoever sends it.",
           "write it as the cluster does"),
    Policy("KF724", _JOB, commands.no_launcher,
           "The policy only sets the variables that torchrun reads. Without a launcher each node starts one process "
           "that knows of no other, and each of them trains alone, on everything.",
           "begin the command with torchrun (or accelerate launch, deepspeed, python -m torch.distributed.run)"),
    Policy("KF725", TRAINER_KINDS, commands.one_text,
           "No shell splits it: a program of that whole name is looked for, blanks included.",
           "write a list of words, or [sh, -c, ...] where a shell is meant"),
)  # fmt: skip
"""Every policy; the order does not matter."""


COMMANDS: Final = frozenset({"KF724", "KF725"})
"""Policies on commands: other verbs warn of what these find, too."""

UNKNOWN: Final = Reason(
    "Nothing is switched off by it, and whoever reads it believes that something is.",
    "write the code of a policy, such as KF701, or all",
    "A misspelt code, or one that is no lint policy: only these can be switched off.",
    "metadata:\n  annotations: {kfrun.dev/lint-ignore: KF71}\n",
    "metadata:\n  annotations: {kfrun.dev/lint-ignore: KF701}\n",
    "kfrun: lint",
)
"""Of KF700, which is no policy."""


def check(
    documents: Sequence[Document],
    runtime_of: Callable[[Document], dict[str, Any] | None],
    choice: Choice,
    effects_of: Callable[[Document], Effects] = lambda _: Effects(),
) -> list[Finding]:
    """What the policies find, for each document in the order of its source.

    ``runtime_of`` gives the data of the runtime that a TrainJob refers to, None where there is none; ``effects_of``
    what becomes of a TrainJob.
    """
    found: list[Finding] = []
    for document in documents:
        if is_document_of_interest(document):
            is_job = document.data.get("kind") == TRAIN_JOB
            around = (runtime_of(document), effects_of(document)) if is_job else (None, Effects())
            found += _check_one(document, Subject(document.data, around[0], choice, around[1]))
    return found


def check_effects(document: Document, effects: Effects) -> list[Finding]:
    """The settings of a TrainJob that reach no container, but for what its author lets pass, for others than lint."""
    choice = Choice(enabled=frozenset({"KF722"}), disabled=frozenset({"all"}))
    found = _check_one(document, Subject(document.data, None, choice, effects))
    return [one for one in found if one.code == "KF722"]


def check_command(document: Document, runtime: dict[str, Any] | None) -> list[Finding]:
    """What is wrong with the commands of a TrainJob or a runtime, but for what its author lets pass, for all verbs."""
    choice = Choice(enabled=COMMANDS, disabled=frozenset({"all"}))
    found = _check_one(document, Subject(document.data, runtime, choice))
    return [one for one in found if one.code in COMMANDS]


def _check_one(document: Document, subject: Subject) -> list[Finding]:
    named = ignores.annotated(document)
    problems = [] if "all" in named else list(_problems(subject, named))
    problems += _unknown(named)
    found = [secrets.on_its_line(one, document) for one in located.findings(document, problems, Stage.LINT)]
    return [_discreet(one) for one in found if not ignores.is_ignored(one, document)]


def _problems(subject: Subject, ignored: Iterable[str]) -> Iterator[Problem]:
    kind = subject.data["kind"]
    for policy in POLICIES:
        if kind not in policy.kinds or policy.code in ignored or not subject.choice.is_on(policy.code):
            continue
        severity = subject.choice.severities.get(policy.code, Severity.WARNING)
        for problem in policy.check(subject):
            yield problem._replace(severity=severity, hint=problem.hint or policy.mend)


def _unknown(named: Iterable[str]) -> Iterator[Problem]:
    for name in sorted(named):
        if name != "all" and name not in CODES:
            message = f'"{name}" is no lint policy; write codes such as KF701, or all'
            yield Problem("KF700", ignores.PATH, message, UNKNOWN.mend, severity=Severity.WARNING)


def _discreet(finding: Finding) -> Finding:
    return replace(finding, excerpt=None) if finding.code in secrets.SECRET_CODES else finding
