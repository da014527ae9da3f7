"""Verbs of other tools, and what kfrun calls the same; loaded only when there is no such verb."""

from __future__ import annotations

_LIST = "kfrun get trainjobs lists jobs"
_SHOW = "kfrun describe trainjob NAME tells everything about a job"
_START = "kfrun apply -f job.yaml starts what a manifest says, kfrun run -f job.yaml stays until its end"
_END = "kfrun stop NAME ends a job and keeps its logs, kfrun delete NAME removes it"
_REMOVE = "kfrun delete NAME stops a job and removes it with its logs"
_CHECK = "kfrun validate -f job.yaml checks manifests as a cluster would"
_AGAIN = "kfrun rerun NAME runs a finished job once more, with today's code"
_CHANGE = (
    "change the manifest (kfrun get trainjob NAME -o yaml prints what is stored): kfrun diff -f job.yaml shows what "
    "differs, kfrun apply -f job.yaml carries it out, kfrun replace --force -f job.yaml starts a running job anew"
)
_SCALE = (
    "a job that runs keeps its size, as on a cluster: "
    "kfrun apply --force -f job.yaml --set spec.trainer.numNodes=2 starts it anew with another"
)
_MARK = "write it into metadata of the manifest, and kfrun apply -f job.yaml records it, also while the job runs"
_MAKE = "kfrun init train.py writes a manifest for a script, kfrun explain trainjob lists its fields"
_WATCH = "kfrun get trainjobs -w shows what changes"
_FOLLOW = "kfrun logs -f NAME follows the output of a job"
_PROCESSES = "jobs are processes of this machine: "
_NO_CLUSTER = "there is no cluster to talk to: jobs run on this machine; kfrun doctor looks whether they can"

_WORDS: dict[str, tuple[str, ...]] = {
    _LIST: ("list", "ls", "ps", "jobs", "job", "trainjobs", "trainjob", "tj", "query"),
    _SHOW: ("status", "show", "inspect", "info", "state"),
    _START: ("start", "submit", "launch", "up", "train", "exec-job", "deploy", "play"),
    _END: ("cancel", "kill", "terminate", "abort", "end"),
    _REMOVE: ("rm", "remove", "del", "destroy", "down", "uninstall"),
    _CHECK: ("check", "verify", "test", "vet"),
    _AGAIN: ("restart", "retry", "rollout", "resubmit"),
    _CHANGE: ("edit", "patch", "set", "update"),
    _SCALE: ("scale", "autoscale", "resize"),
    _MARK: ("label", "annotate"),
    _MAKE: ("new", "generate", "scaffold"),
    _WATCH: ("watch", "top", "stats", "monitor", "ui", "dashboard"),
    _FOLLOW: ("tail", "log", "attach", "stream", "output"),
    "kfrun suspend NAME stops the pods of a job and keeps the job": ("pause", "freeze"),
    "kfrun resume NAME starts a suspended job": ("unpause", "continue", "unsuspend"),
    "kfrun render -f job.yaml prints the objects that a cluster would get": ("template", "build", "expand"),
    "kfrun convert -f old.yaml rewrites older manifests": ("upgrade", "migrate", "translate"),
    "kfrun explain trainjob lists the fields of a kind": ("api-resources", "api-versions", "docs", "schema-of"),
    "kfrun config view shows the settings": ("settings", "context", "contexts", "get-contexts", "use-context"),
    "kfrun env list shows the Python environments of jobs": ("envs", "venv", "environments", "cache"),
    "kfrun env prune removes what no job needs": ("prune", "clean", "gc", "cleanup"),
    "kfrun runtimes list shows what jobs can refer to": ("runtime", "images"),
    "kfrun doctor looks for what could keep jobs from running here": ("diagnose", "debug", "health", "check-install"),
    f"{_PROCESSES}a shell in the source folder is where they run": ("exec", "shell", "ssh"),
    f"{_PROCESSES}their files are in the folder of the manifest": ("cp", "copy", "download"),
    f"{_PROCESSES}their ports are ports of localhost": ("port-forward", "proxy", "expose"),
    _NO_CLUSTER: ("cluster-info", "auth", "cordon", "drain", "taint", "nodes", "login", "logout"),
}  # fmt: skip
HINTS: dict[str, str] = {word: hint for hint, words in _WORDS.items() for word in words}
"""Word -> what to type instead."""

SHORT: dict[str, str] = {"ls": "list", "ps": "list", "rm": "prune", "get": "show", "describe": "show", "clean": "prune"}
"""The same for the verbs below a verb."""
