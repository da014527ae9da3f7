"""Why a TrainJob does not fit its runtime and how to mend it, by code."""

from __future__ import annotations

from typing import Final

from kfrun.model.reason import Reason

_WEBHOOK: Final = "The Trainer's webhook refuses the TrainJob"
_EVENT: Final = (
    "The TrainJob is admitted and hangs without a condition: the controller cannot build its JobSet, and says so in "
    "an event, TrainJobResourcesCreationFailed, for ever."
)
_PACKAGES: Final = "kfrun: the annotation kfrun.dev/packages; requirements as PEP 508 has them"
_FILES: Final = "kfrun: the annotation kfrun.dev/requirements; requirements files as pip has them"
_CONVERT: Final = "kfrun: convert; the older releases' own fields"

REASONS: Final[dict[str, Reason]] = {
    "KF401": Reason(
        f"{_WEBHOOK}: a runtime has to be there before the job is.",
        "kfrun runtimes lists what there is; give your own with -f, before or beside the job",
        "A misspelt name, a runtime that was not applied, or a TrainingRuntime of another namespace.",
        "spec:\n  runtimeRef: {name: torch-distribted}\n", "spec:\n  runtimeRef: {name: torch-distributed}\n",
        "trainer webhook: the runtime must exist",
    ),
    "KF402": Reason(
        f"{_WEBHOOK}: it knows two kinds of runtimes.",
        "leave kind and apiGroup out for a ClusterTrainingRuntime, or write kind: TrainingRuntime",
        "runtimeRef.kind or apiGroup of something else.",
        "spec:\n  runtimeRef: {name: mine, kind: Runtime}\n",
        "spec:\n  runtimeRef: {name: mine, kind: TrainingRuntime}\n",
        "trainer webhook: supported runtimes",
    ),
    "KF403": Reason(
        "The shipped runtimes are for the latest release. A cluster of the release that --trainer-version names has "
        "another runtime of that name, or none, and would refuse what is rendered here.",
        "give the runtime of that release with -f or --runtimes, or leave --trainer-version away",
        "A shipped runtime of JAX, XGBoost, Flux or torchtune, and --trainer-version v2.1.",
        source="the schemas of the releases",
    ),
    "KF404": Reason(
        "The API server refuses it by its schema; what got into the store without a check cannot be built.",
        "mend the type: kfrun validate names what is needed",
        "Text where a number belongs, deep in a runtime.",
        source="trainer: typed decoding of runtime and job",
    ),
    "KF405": Reason(
        f"{_WEBHOOK}: variables would go nowhere.",
        "name replicatedJobs and containers of the runtime's template",
        "A job or container of the runtime was renamed, its target was not.",
        source="torch plugin: envInjection targets",
    ),
    "KF406": Reason(
        f"{_EVENT} A list is merged by the names of its items.",
        "give every item of the patch its name, or what else the list is merged by",
        "An item of a list in runtimePatches without its name.",
        source="strategic merge patch: merge keys",
    ),
    "KF407": Reason(
        f"{_EVENT} The controller writes hostfiles for OpenMPI only.",
        "write OpenMPI, or leave the field out",
        "mpiImplementation is empty.",
        source="mpi plugin: mpiImplementation",
    ),
    "KF408": Reason(
        "The TrainJob is admitted, and the controller breaks down over it at every attempt, for ever: no condition and "
        "no event says why nothing starts.",
        "set spec.trainer.numNodes",
        "A Flux job that leaves the number of nodes to its runtime.",
        "spec:\n  trainer: {}\n", "spec:\n  trainer: {numNodes: 2}\n", "flux plugin: the broker's configuration",
    ),
    "KF409": Reason(
        f"{_EVENT} A hostfile with a line for each would not fit into a ConfigMap.",
        "ask for fewer nodes",
        "numNodes with digits too many.", source="mpi plugin: hostfile",
    ),
    "KF411": Reason(
        "The environment is made of these lines by pip or uv, which would stop at it after the job was created.",
        "write name==version, one requirement a line",
        "Options of pip, or words in another order.",
        "metadata:\n  annotations:\n    kfrun.dev/packages: numpy 2.3.5\n",
        "metadata:\n  annotations:\n    kfrun.dev/packages: numpy==2.3.5\n", _PACKAGES,
    ),
    "KF412": Reason(
        "pip refuses a list that asks for two versions of one package.",
        "keep one of the lines, or give both environment markers",
        "Two lists that were put together.",
        "metadata:\n  annotations:\n    kfrun.dev/packages: |\n      numpy==2.3.5\n      numpy==2.2.0\n",
        "metadata:\n  annotations:\n    kfrun.dev/packages: |\n      numpy==2.3.5\n", _PACKAGES,
    ),
    "KF413": Reason(
        "The installer does not stand where the manifest lies, and no shell reads what it is told.",
        "write name @ ./path, from the manifest's folder on, or name @ file:///path",
        "A path of a manifest that was piped in, a home folder, file:// with two slashes.",
        "metadata:\n  annotations:\n    kfrun.dev/packages: ours @ ~/ours\n",
        "metadata:\n  annotations:\n    kfrun.dev/packages: ours @ ./ours\n", _PACKAGES,
    ),
    "KF414": Reason(
        "The environment is made of what the file says, so without it nothing is known of the job's packages.",
        "name a requirements file, pyproject.toml, uv.lock or a script with a # /// script block, from the manifest's "
        "folder on",
        "A misspelt name, a path that begins somewhere else, a file of another tool, a text that is not UTF-8.",
        "metadata:\n  annotations:\n    kfrun.dev/requirements: numpy==2.3.5\n",
        "metadata:\n  annotations:\n    kfrun.dev/packages: numpy==2.3.5\n", _FILES,
    ),
    "KF415": Reason(
        "pip, or uv, would stop at it after the job was created.",
        "mend the line that is named; it is read as pip reads it",
        "A misspelt option, a package that lies elsewhere, a file that includes itself, a lock of another project.",
        source=_FILES,
    ),
    "KF416": Reason(
        "pip installs what has a hash only together with what has one, and checks all of them.",
        "have all hashes written by one tool, or leave them out",
        "A line that was added by hand to a file that a tool wrote; a runtime's packages beside such a file.",
        source="pip: secure installs, hash-checking mode",
    ),
    "KF421": Reason(
        "A cluster runs it; local processes cannot: every pod is at least one process with a log of its own.",
        "ask for fewer pods, or run it on a cluster",
        "numNodes or replicas with a digit too many.", source="kfrun: what local processes can run",
    ),
    "KF430": Reason(
        "Today's API server refuses the field, or drops it; what it did is lost unless something else takes its place.",
        "compare the converted manifest with what the message says before you apply it",
        "A manifest of an older Trainer, or of the training operator, that uses what there is no counterpart for.",
        source=_CONVERT,
    ),
    "KF431": Reason(
        "Trainer has no controller for the kind, so a converted job could not run.",
        "write a TrainJob by hand, with a runtime of your own",
        "A TFJob, PaddleJob or another framework without a policy; or a job without replicas or a name.",
        source=_CONVERT,
    ),
    "KF432": Reason(
        "The manifest is in today's spelling now, and says what today's API server refuses.",
        "mend the old manifest and convert it again, or mend what was written",
        "What the old API server let pass, or a runtime that is neither in the input nor applied.", source=_CONVERT,
    ),
}  # fmt: skip
"""Code -> why it is a problem and how to mend it."""
