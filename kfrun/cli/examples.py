"""What ``--help`` shows as examples, each verb's; loaded only by it. A test runs every line."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("A script, without a manifest; what stands behind it is its own", "kfrun run --nodes 2 train.py --epochs 2"),
        ("A manifest: follow the output, end with the job's own exit code", "kfrun run -f job.yaml"),
        ("The same, and remove the job when it has ended", "kfrun run --rm -q -f job.yaml"),
    ),
    "init": (
        ("A manifest for a script, with comments at what can be changed", "kfrun init train.py"),
        ("Look at it only", "kfrun init --stdout --nodes 2 train.py"),
        ("One of kfrun's examples, in a folder of its own", "kfrun init --example failing"),
    ),
    "apply": (
        ("Start what is new of a manifest, and return", "kfrun apply -f job.yaml"),
        ("Stay until the jobs have ended, and print what they print", "kfrun apply --follow -f job.yaml"),
        ("Start a job anew that was changed, and stop it first if it runs", "kfrun apply --force -f job.yaml"),
    ),
    "create": (
        ("Start a job; one of its name must not be there", "kfrun create -f job.yaml"),
        ("For scripts: the name, which generateName may have made", "kfrun create -q -f job.yaml -o name"),
    ),
    "replace": (
        ("Start a finished job anew, as its manifest is now", "kfrun replace -f job.yaml"),
        ("Stop it first, where it runs", "kfrun replace --force -f job.yaml"),
    ),
    "rerun": (
        ("Once more, with today's code", "kfrun rerun hello"),
        ("With another argument, in the background", "kfrun rerun -d hello -- --lr 0.05"),
    ),
    "stop": (
        ("End a job and keep its logs", "kfrun stop hello"),
        ("Every job of the namespace, at once", "kfrun stop --all --now"),
    ),
    "plan": (
        ("What would be done, and why", "kfrun plan -f job.yaml"),
        ("Plan now, carry out exactly that later", "kfrun plan -f job.yaml --out job.plan"),
        ("For scripts: 2 says that there is something to do", "kfrun plan -f job.yaml --detailed-exitcode -o json"),
    ),
    "diff": (
        ("What differs from what is stored; 1 says that something does", "kfrun diff -f job.yaml"),
        ("Everything below a folder", "kfrun diff -R -f ."),
    ),
    "validate": (
        ("One manifest", "kfrun validate job.yaml"),
        ("Everything below a folder, as a CI job does", "kfrun validate -R -f . -o github"),
        ("Against another release of Kubeflow Trainer", "kfrun validate --trainer-version v2.1 job.yaml"),
    ),
    "lint": (
        ("What a cluster accepts and then regrets", "kfrun lint job.yaml"),
        ("Without one of the policies", "kfrun lint --disable KF701 job.yaml"),
        ("Which policies there are, and which are on", "kfrun lint --list"),
    ),
    "schema": (
        ("What an editor completes and checks manifests by", "kfrun schema > trainer.json"),
        ("Of one kind, as an earlier release has it", "kfrun schema trainjob --trainer-version v2.1"),
    ),
    "render": (
        ("The objects that the Trainer controller would create", "kfrun render -f job.yaml"),
        ("And where each field comes from", "kfrun render -f job.yaml --explain"),
    ),
    "convert": (
        ("An older manifest in today's spelling", "kfrun convert -f job.yaml"),
        ("From a pipe, as JSON", "kfrun convert -f - -o json < job.yaml"),
    ),
    "explain": (
        ("The fields of a kind", "kfrun explain trainjob"),
        ("A field of the pods, which a runtime holds in its template", "kfrun explain pod.spec.containers"),
        ("The code of a finding", "kfrun explain KF203"),
    ),
    "get": (
        ("The jobs of the namespace", "kfrun get trainjobs"),
        ("Jobs and their pods, in every namespace, with more columns", "kfrun get trainjobs,pods -A -o wide"),
        ("One field of one job", "kfrun get trainjob hello -o jsonpath='{.spec.runtimeRef.name}'"),
    ),
    "describe": (
        ("Everything about a job", "kfrun describe hello"),
        ("About what was made of it", "kfrun describe jobset/hello"),
        ("About all jobs with a label", "kfrun describe -l app=demo"),
    ),
    "logs": (
        ("Follow what the nodes of a job print, until it ends", "kfrun logs -f hello"),
        ("What an earlier run printed", "kfrun logs hello --run 1"),
        ("The last lines of one node, with their times", "kfrun logs hello --node 0 --tail 20 --timestamps"),
    ),
    "events": (
        ("What happened to a job", "kfrun events hello"),
        ("What happened to all jobs with a label", "kfrun events -l app=demo"),
        ("What happened in every namespace, warnings only", "kfrun events -A --types Warning"),
    ),
    "wait": (
        ("Until a job has ended; ends with its exit code", "kfrun wait hello"),
        ("Until it is complete, for ten minutes at most", "kfrun wait hello --for=condition=Complete --timeout 10m"),
        ("All jobs of the namespace", "kfrun wait --all"),
    ),
    "suspend": (
        ("Stop the pods of a job, keep the job", "kfrun suspend hello"),
        ("Of all jobs with a label", "kfrun suspend -l app=demo"),
    ),
    "resume": (
        ("Start a suspended job", "kfrun resume hello"),
        ("All of the namespace that are", "kfrun resume --all"),
    ),
    "delete": (
        ("Stop a job and remove it with its logs", "kfrun delete hello"),
        ("What a manifest names, whether it is there or not", "kfrun delete -f job.yaml --ignore-not-found"),
        ("See first what has a label", "kfrun delete trainjobs,runtimes -l app=demo --dry-run"),
    ),
    "runtimes": (
        ("The runtimes that a job can refer to", "kfrun runtimes list"),
        ("One of them, as a manifest", "kfrun runtimes show plain-python"),
    ),
    "runtimes list": (
        ("Those of the namespace team, too", "kfrun runtimes list -n team"),
        ("Their names only", "kfrun runtimes list -o name"),
    ),
    "runtimes show": (
        ("A runtime, ready to be changed and applied", "kfrun runtimes show torch-distributed"),
        ("For scripts", "kfrun runtimes show torch-distributed -o json"),
    ),
    "runtimes packages": (
        ("What it brings along", "kfrun runtimes packages torch-distributed"),
        ("One of the namespace team, or of all", "kfrun runtimes packages torch-distributed -n team"),
    ),
    "env": (
        ("The Python environments of jobs, and their sizes", "kfrun env list"),
        ("What could be removed of them", "kfrun env prune --dry-run"),
    ),
    "env list": (
        ("The one that was used last comes first", "kfrun env list"),
        ("For scripts", "kfrun env list -o json"),
    ),
    "env prune": (
        ("What would be removed", "kfrun env prune --dry-run"),
        ("Only what no job was given for a week", "kfrun env prune --unused-for 7d"),
    ),
    "doctor": (("Can jobs run here?", "kfrun doctor"), ("For scripts", "kfrun doctor -o json")),
    "completion": (
        ("Complete in this shell, from now on", 'eval "$(kfrun completion bash)"'),
        ("In every fish", "mkdir -p completions && kfrun completion fish > completions/kfrun.fish"),
    ),
    "config": (
        ("Every setting", "kfrun config view"),
        ("And where it comes from", "kfrun config view --origin"),
    ),
    "config view": (
        ("As a file of settings", "kfrun config view"),
        ("For scripts", "kfrun config view --origin -o json"),
    ),
    "version": (
        ("The version", "kfrun version"),
        ("For scripts", "kfrun version -o json"),
    ),
}
"""Verb -> what it is for, and the command line."""
