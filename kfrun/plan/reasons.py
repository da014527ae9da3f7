"""Why the present state stands against a plan and what to do, by code."""

from __future__ import annotations

from typing import Final

from kfrun.model.reason import Reason

_STATE: Final = "kfrun: desired against stored"

_HERE: Final = "A cluster runs it; local processes cannot"
_LOCAL: Final = "kfrun: what local processes can run"

REASONS: Final[dict[str, Reason]] = {
    "KF420": Reason(
        f"{_HERE}: the entrypoint of an image is in the image, and no image is used here.",
        "give spec.trainer.command, or a command in the runtime's container",
        "The container relies on its image's entrypoint.",
        'spec:\n  trainer: {args: [--epochs, "3"]}\n',
        'spec:\n  trainer: {command: [python, train.py], args: [--epochs, "3"]}\n', _LOCAL,
    ),
    "KF422": Reason(
        f"{_HERE}: Flux starts its nodes through a broker inside their images.",
        "run it on a cluster; kfrun render shows what the controller would create",
        "A runtime with mlPolicy flux.", source=_LOCAL,
    ),
    "KF501": Reason(
        "A cluster takes the change of a finished TrainJob where the field may change, and nothing runs again. Here "
        "the new run would take the place of the old one with its logs, so somebody has to say it.",
        "kfrun apply --replace, or kfrun run, creates it anew; another metadata.name keeps the old one",
        "The manifest changed after the job had ended.", source=_STATE,
    ),
    "KF502": Reason(
        "Two runs of one name would write into the same objects and logs.",
        "kfrun logs -f follows the job that runs; kfrun stop ends it, --force stops it and starts it anew",
        "run was called twice, or the job is suspended.", source=_STATE,
    ),
    "KF503": Reason(
        "On a cluster the old object has to be gone, too, before its name is free.",
        "wait until it is gone: kfrun wait trainjob/NAME --for=delete, or kfrun get pvc",
        "delete was called, and the pods have not ended yet.", source=_STATE,
    ),
    "KF504": Reason(
        "kubectl delete says the same; a script should know that it named nothing.",
        "kfrun get trainjobs -A lists what there is; --ignore-not-found takes it for done",
        "A misspelt name, or another namespace.", source=_STATE,
    ),
    "KF505": Reason(
        "A cluster enforces the field; the backend that the job runs on does not.",
        "leave the field out, choose another --backend, or leave --strict away: then it is a remark",
        "Limits, volumes or security settings, which local processes do not honour, "
        "with --strict or validate --backend.",
        source="kfrun: what each backend honours",
    ),
    "KF506": Reason(
        "Nothing here could start the pods.",
        "kfrun doctor says what is missing; --backend chooses another one",
        "A backend that is not installed here, named by the manifest, a setting or a flag.",
        source="kfrun: backends",
    ),
    "KF507": Reason(
        "With --prune each of the two sets would delete what the other one applied.",
        "leave it out of one of the two inputs, or give it another name",
        "A manifest that moved from one team's folder to another's, or was copied.",
        source="kfrun: apply sets, as those of kubectl",
    ),
    "KF508": Reason(
        "Jobs and pods are named after their TrainJob: the second JobSet finds its Job there already, owned by the "
        "first. Its creation fails, again and again, and the second TrainJob hangs without a condition.",
        "rename one of the two TrainJobs, or a job of its runtime",
        "TrainJob a with a job b-node in its runtime, and TrainJob a-b with a job node: both make a Job a-b-node-0.",
        source="jobset controller: names of child Jobs",
    ),
    "KF510": Reason(
        "On a cluster the pod waits, and an event of the pod alone tells: CreateContainerConfigError, FailedMount, or "
        "FailedScheduling for a claim. Here it waits, too, but for a claim, which is a folder of its own.",
        "apply it before the job, or beside it: several -f; where it may be missing, write optional: true",
        "A Secret that is made by hand, another namespace, or a misspelt name or key.",
        source="kubelet: configmap or secret not found; scheduler: persistentvolumeclaim not found",
    ),
    "KF509": Reason(
        "On a cluster the TrainJob gets no condition, and at most an event tells: it seems to wait. Here it runs.",
        "change the field for a cluster; docs/reference/hangs.md has every such case",
        "A feature gate that is off by default, a job that was changed while it was suspended, an empty runtime.",
        source="kfrun: where a cluster hangs and the job goes on here",
    ),
}  # fmt: skip
"""Code -> why it is a problem and what to do."""
