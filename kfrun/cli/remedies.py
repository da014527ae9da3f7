"""What usually causes a finding, and how to mend it, by its code. Called by explain.

The one-line meanings stand beside the code that raises the findings, in the tables named CODES; `tables` collects
them. A code without words of its own here has those of its stage.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

STAGES: dict[str, tuple[str, str, str]] = {
    "KF1": (
        "load (the text as kubectl reads it)",
        "The text is not what kubectl would read, or holds no object.",
        "Mend the line that the finding points to; kfrun reads YAML exactly as kubectl does.",
    ),
    "KF2": (
        "validate (the schema of the kind)",
        "A field, a type or a value that the schema of the kind does not allow.",
        "The finding names what is allowed; kfrun explain KIND.FIELD tells more of the field.",
    ),
    "KF3": (
        "validate (rules of the API server, the webhooks, JobSet and Jobs)",
        "The structure is right, but a cluster's admission would refuse what it says.",
        "Change the field that the finding points to as its hint says.",
    ),
    "KF4": (
        "resolve (the TrainJob and its runtime)",
        "The TrainJob and its runtime do not fit together, or cannot run as asked.",
        "Compare the job with its runtime: kfrun runtimes show NAME prints it.",
    ),
    "KF5": (
        "plan (what is wanted against what is there)",
        "The input is sound, but the present state or the backend stands against it.",
        "kfrun get and kfrun describe show the present state.",
    ),
    "KF6": (
        "execute (this machine)",
        "This machine lacks something that the job needs.",
        "kfrun doctor looks for what is missing.",
    ),
    "KF7": (
        "lint (policies of a platform team)",
        "The manifest is valid, but something in it often goes wrong or is against the team's rules.",
        "Mend it, or switch the policy off by a comment, an annotation or the configuration.",
    ),
}
"""Begin of a code -> the stage that finds it, what is common to its causes, and the way out."""

REMEDIES: dict[str, tuple[str, str]] = {
    "KF101": (
        "A wrong indentation, a missing space behind a colon, an unclosed quote or bracket, or a tab.",
        "Look at the marked column and the line before it. Indent with spaces; quote texts with : or #.",
    ),
    "KF102": (
        "Two edits of the same block, or a block that was pasted twice.",
        "Keep one of the two keys. kubectl refuses such a mapping, other tools take the last one silently.",
    ),
    "KF103": ("Copied invisible characters, or a file that is not UTF-8.", "Delete the character, save as UTF-8."),
    "KF104": ("An alias *name without an anchor &name before it.", "Write the anchor first, or write the value out."),
    "KF105": ("Anchors that hold aliases of other anchors many times over.", "Write the repeated parts out."),
    "KF106": ("Hundreds of levels of brackets or indentation, mostly by a generator.", "Flatten the structure."),
    "KF107": ("One file for everything, or a wrong file altogether.", "Split it into several files."),
    "KF108": ("A values file, a list or a plain text among the manifests.", "Name the manifests, not their folder."),
    "KF109": ("A key that is a list, or a number such as .inf.", "Quote it."),
    "KF110": ("<< with something that is no mapping.", "Give it an anchor of a mapping, or quote the <<."),
    "KF111": ("A directive such as %YAML, or text behind ---.", "Remove the line."),
    "KF112": ("An empty file, or one with comments only.", "Leave it out of -f."),
    "KF113": ("A file that is no YAML at all.", "Mend the first problems and run again."),
    "KF120": ("A brace or a block of Jinja2 that is not closed.", "Mend the template at the marked line."),
    "KF121": ("A value without --set or --values.", "Give it, or write {{ name | default(...) }}."),
    "KF122": ("A filter or an operation that does not fit the value.", "Look at the value given for it."),
    "KF123": ("An attribute that begins with _, an import or an include.", "Templates see their values only."),
    "KF124": ("A loop over very many items.", "Make fewer of them, or write the manifests with a program."),
    "KF125": ("A list, a plain text or several documents.", "Write one mapping: name: value."),
    "KF190": ("-n and metadata.namespace differ.", "Leave -n away, or change the manifest."),
    "KF201": (
        "A misspelt name, a field at the wrong level, or one that another release of Trainer has.",
        "Take the suggested name or place; kubectl refuses unknown fields, too. kfrun convert rewrites older fields.",
    ),
    "KF202": (
        "Unquoted text that YAML reads as a number or boolean (1, yes, on), or a list where a mapping belongs.",
        'Quote values of env ("1"), write lists with dashes, and numbers without quotes.',
    ),
    "KF203": (
        "A block was copied in part, or the field's name is misspelt.",
        "Add the field that the message names. kfrun explain KIND.PATH shows an example of the block.",
    ),
    "KF204": ("A misspelt value, often in the wrong case.", "Take one of the allowed values of the message."),
    "KF205": ("A number that is too large or small, or a text that is too long.", "Stay inside the bounds named."),
    "KF206": (
        "Two items with the same name, such as two env entries LR.",
        "Keep one of them: the API server tells the items apart by that field.",
    ),
    "KF207": (
        "An apiVersion of another release, or a kind that is not Kubeflow Trainer's.",
        "Write apiVersion: trainer.kubeflow.org/v1alpha1; kfrun convert makes TrainJobs of jobs of kubeflow.org/v1.",
    ),
    "KF208": ("A blank, a unit such as GB, or a capital K in an amount.", 'Write "500m", "1.5Gi" or "8G".'),
    "KF209": ("The same file given twice, or a copy that kept its name.", "Remove one of them, or rename it."),
    "KF301": (
        "Capitals, underscores, dots or too many characters in a name.",
        "Use lower-case letters, digits and dashes, a letter first. Names of pods are made of it, so keep it short.",
    ),
    "KF302": ("A path or a bare name.", "Write a scheme: hf://owner/name, s3://bucket/path, file:///data."),
    "KF303": ("A controller that no cluster with Trainer knows.", "Leave managedBy out."),
    "KF304": ("Two policies in one mlPolicy.", "Keep the one by which the job is launched."),
    "KF305": ("Zero or a negative number.", "Write 1 or more, or leave the field out."),
    "KF306": ("Both ways to order replicatedJobs at once.", "Keep dependsOn, or startupPolicy, not both."),
    "KF307": ("A claim template copied from a real claim.", "Remove its namespace: it is the job's."),
    "KF308": ("node among containerNames.", "Remove it: node gets the variables anyway."),
    "KF309": ("A misspelt annotation under kfrun.dev/.", "Take the suggested name."),
    "KF310": ("A value that the annotation does not know.", "Take one of the allowed values."),
    "KF311": ("Blanks, slashes or more than 63 characters in a label.", "Put free text into annotations."),
    "KF312": ("A status that was written by hand.", "Leave status out of manifests."),
    "KF320": (
        "The manifest was edited after the job was created.",
        "Delete the job and create it anew (kfrun apply --replace), or give the new one another name.",
    ),
    "KF321": ("runtimePatches were edited while pods run.", "Suspend the job first, or make a new one."),
    "KF401": (
        "A misspelt name, a runtime that was not applied, or one of another namespace.",
        "kfrun runtimes lists what there is; give your own with -f, before or beside the job.",
    ),
    "KF402": ("runtimeRef.kind or apiGroup of something else.", "Leave both out for a ClusterTrainingRuntime."),
    "KF404": ("Text where a number belongs, deep in a runtime.", "Mend the type; kfrun validate names it."),
    "KF405": ("A target names no replicatedJob or container of the runtime.", "Take names of the runtime's template."),
    "KF406": ("An item of a patch without the name by which it would be merged.", "Give every item its name."),
    "KF407": ("mpiImplementation is empty or misspelt.", "Write OpenMPI, or leave the field out."),
    "KF408": ("A Flux job without numNodes.", "Set spec.trainer.numNodes."),
    "KF410": ("A misspelt annotation under kfrun.dev/.", "Take the suggested name."),
    "KF411": ("A line that pip would not read either.", "Write name==version, one requirement a line."),
    "KF412": ("One package with two versions in one list.", "Keep one, or give both environment markers."),
    "KF413": ("A value that the annotation does not know.", "Take one of the allowed values."),
    "KF420": (
        "The container relies on its image's entrypoint, which a process does not have.",
        "Give spec.trainer.command, or a command in the runtime's container.",
    ),
    "KF421": ("numNodes or replicas with a digit too many.", "Ask for fewer pods, or run it on a cluster."),
    "KF422": (
        "MPI and Flux jobs start their nodes by ssh or a broker in their images, which processes do not have.",
        "Run it on a cluster; kfrun render shows what the controller would create.",
    ),
    "KF430": (
        "Trainer dropped the field, or means something else by it.",
        "Read the message: it says what became of the field, and the hint what to write instead.",
    ),
    "KF431": ("A framework that Trainer has no policy for, or a job without replicas.", "Write a TrainJob by hand."),
    "KF501": ("The manifest changed after the job had ended.", "kfrun apply --replace, or kfrun run."),
    "KF502": ("run was called twice.", "kfrun logs -f follows the running job; kfrun delete stops it."),
    "KF503": ("delete was called, and the pods have not ended yet.", "Wait for it: kfrun wait --for=delete."),
    "KF504": ("A misspelt name, or another namespace.", "kfrun get trainjobs -A lists what there is."),
    "KF505": ("--strict with something that local processes cannot honour.", "Drop --strict, or the field."),
    "KF506": ("A backend that is not installed here.", "kfrun doctor says what is missing; --backend chooses."),
    "KF601": ("kfrun.dev/source or workingDir names a folder that is not there.", "Create it, or mend the path."),
    "KF701": ("A tag that moves: the job of tomorrow is another one.", "Write a version or a digest."),
    "KF702": ("A blank, a capital or a wrong digest in the name.", "Write registry/name:tag."),
    "KF703": ("No resourcesPerNode in the job or resources in the runtime.", "Ask for cpu, memory and devices."),
    "KF704": ("A password, token or key as a value of env.", "Put it into a Secret; use valueFrom.secretKeyRef."),
    "KF705": ("A long job on several nodes without a place for checkpoints.", "Mount a claim that outlives it."),
    "KF706": ("The runtime carries the label of a deprecated one.", "kfrun runtimes lists the others."),
    "KF707": ("A requirement without ==.", "Pin it: torch==2.9.1."),
    "KF708": ("cpu: 0.5 without quotes.", 'Write cpu: "500m" or "0.5".'),
    "KF709": ("Claims are made although the job does not run.", "Create the job when it is to run."),
    "KF710": ("A volume with a name only.", "Give it a source: emptyDir, persistentVolumeClaim, configMap."),
    "KF712": ("A job that hangs holds its nodes for ever.", "Set spec.activeDeadlineSeconds."),
    "KF713": ("privileged: true.", "Drop it, or add the one capability that is needed."),
    "KF714": ("hostPath, hostNetwork, hostPID or hostIPC.", "Use a claim; leave the host alone."),
    "KF715": ("An http:// address, or a password in the address.", "Use https and pip's own credentials."),
    "KF716": ("Data loaders and NCCL fill the 64 MiB of /dev/shm.", "Mount an emptyDir with medium Memory there."),
    "KF719": ("A mountPath without a leading /.", "Write the whole path."),
    "KF720": ("A scheme that the initializer images do not know.", "Use hf://, s3:// or cache://."),
    "KF721": ("Without spec.trainer no policy injects its variables.", "Write trainer: {}, at least."),
}
"""Code -> what usually causes it, and how to mend it."""


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


def words(code: str) -> tuple[str, str, str]:
    """The stage that finds ``code``, what usually causes it, and how to mend it."""
    stage, cause, remedy = STAGES[code[:3]]
    cause, remedy = REMEDIES.get(code, (cause, remedy))
    return stage, cause, remedy
