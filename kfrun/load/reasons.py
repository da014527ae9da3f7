"""Why a text that load refuses is a problem and how to mend it, by code."""

from __future__ import annotations

from typing import Final

from kfrun.model.reason import Reason

_KUBECTL: Final = "kubectl: sigs.k8s.io/yaml and its parser"
_KFRUN: Final = "kfrun: bounds of what it reads"
_CHOICE: Final = "kfrun: refused by its own choice"
_TEMPLATES: Final = "kfrun: templates; a cluster knows none"

REASONS: Final[dict[str, Reason]] = {
    "KF101": Reason(
        "kubectl cannot read the text either, and stops before it sends anything.",
        "look at the marked column and the line before it; indent with spaces, quote texts with : or #",
        "A wrong indentation, a missing space behind a colon, an unclosed quote or bracket, or a tab.",
        "metadata:\n  name: mnist\n labels: {}\n", "metadata:\n  name: mnist\n  labels: {}\n", _KUBECTL,
    ),
    "KF102": Reason(
        "kubectl takes the last one without a word, helm and kustomize refuse the text, and whoever reads it may see "
        "but the first: kfrun does not guess which one was meant.",
        "keep one of the two keys; to override what a merge << brings is fine",
        "Two edits of the same block, or a block that was pasted twice.",
        "spec:\n  suspend: true\n  suspend: false\n", "spec:\n  suspend: false\n", _CHOICE,
    ),
    "KF103": Reason(
        "kubectl stops at it, and an editor does not show it.",
        "delete the character, and save the file as UTF-8",
        "Invisible characters from a web page, or a file that is not UTF-8.", source=_KUBECTL,
    ),
    "KF104": Reason(
        "kubectl stops at it: nothing stands for the alias.",
        "write the anchor before its aliases, or write the value out",
        "An alias *name without an anchor &name before it, mostly after a block was moved.",
        "spec:\n  trainer: *trainer\n", "spec:\n  trainer: &trainer\n    numNodes: 2\n", _KUBECTL,
    ),
    "KF105": Reason(
        "kubectl refuses the text: a few lines of it would fill the memory.",
        "write the repeated parts out",
        "Anchors that hold aliases of other anchors, many times over.", source=_KUBECTL,
    ),
    "KF106": Reason(
        "No manifest is nested so deeply, and what reads it could be brought down.",
        "flatten the structure; no field of a TrainJob is that deep",
        "Hundreds of levels of brackets or indentation, mostly made by a generator.", source=_KFRUN,
    ),
    "KF107": Reason(
        "Reading it would take more memory than a check may; and no cluster stores an object of more than 1.5 MiB.",
        "split it into several files, and keep data out of manifests",
        "One file for everything, or a wrong file altogether.", source=_KFRUN,
    ),
    "KF108": Reason(
        "kubectl stops at it: without apiVersion and kind nobody knows what it is.",
        "name the manifests, not their folder; or give it apiVersion, kind and metadata.name",
        "A values file, a list or a plain text among the manifests.",
        "- name: mnist\n",
        "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: mnist}\n", _KUBECTL,
    ),
    "KF109": Reason(
        "kubectl sends JSON, and JSON has texts as keys and no infinite numbers.",
        "quote it",
        "A key that is a list, or a number such as .inf.",
        "metadata:\n  annotations: {[a]: b}\n", 'metadata:\n  annotations: {"[a]": b}\n', _KUBECTL,
    ),
    "KF110": Reason(
        "kubectl stops at it: << copies the fields of a mapping, and this is none.",
        "give it an anchor of a mapping, or quote the <<",
        "<< with a text or a list behind it.",
        "spec:\n  <<: trainer\n", "spec:\n  <<: {suspend: true}\n", _KUBECTL,
    ),
    "KF111": Reason(
        "kubectl cuts a file at lines that begin with ---, and refuses or loses what else stands there.",
        "remove the line",
        "A directive such as %YAML, or text behind ---.",
        "%YAML 1.2\n---\nkind: TrainJob\n", "---\nkind: TrainJob\n", _KUBECTL,
    ),
    "KF112": Reason(
        "kubectl says that nothing was passed to it, and a pipeline that goes on would check nothing.",
        "leave the file out of -f, or write an object into it",
        "An empty file, one with comments only, or a template that renders to nothing.", source=_KUBECTL,
    ),
    "KF113": Reason(
        "After so many mistakes the rest of the text means nothing.",
        "mend the first ones and run it again",
        "A file that is no YAML at all.", source=_KFRUN,
    ),
    "KF114": Reason(
        "Without the older version nobody can say what changed, and a check that passed all the same would prove "
        "nothing.",
        "fetch it (git lfs pull), or give the older manifest with --previous",
        "A manifest in Git LFS whose content was not fetched, or a link to a file outside of the repository.",
        source="kfrun: --previous-ref",
    ),
    "KF115": Reason(
        "The other sources are checked, but nobody knows what is in this one, and nothing is applied without it.",
        "mend or remove it; git submodule update --init and git lfs pull fetch what links lead to",
        "A link to nothing, a file or folder of somebody else, a FIFO, a misspelt name, a server that does not answer.",
        source="kfrun: what -f names",
    ),
    "KF116": Reason(
        "kubectl cannot read most such texts, and takes the marks for values where it can.",
        "keep one side, and remove the lines <<<<<<<, ======= and >>>>>>>",
        "A merge or rebase in which both sides changed the same lines.",
        "spec:\n<<<<<<< HEAD\n  suspend: true\n=======\n  suspend: false\n>>>>>>> other\n",
        "spec:\n  suspend: false\n", _KUBECTL,
    ),
    "KF117": Reason(
        "kubectl cannot read it either: it is the template of a manifest, not the manifest.",
        "render it first (helm template, envsubst), or have kfrun render Jinja2: --set, --values",
        "A file of a Helm chart, or a template, was named instead of what is made of it.",
        "metadata:\n  name: {{ .Values.name }}\n", "metadata:\n  name: mnist\n", _KUBECTL,
    ),
    "KF120": Reason(
        "Nothing is rendered, so there is nothing to check or to run.",
        "close the brace or block at the marked line",
        "A brace {{ or a block {% that is not closed.", "name: {{ name }\n", "name: {{ name }}\n", _TEMPLATES,
    ),
    "KF121": Reason(
        "An empty text in its place would make another manifest than was meant.",
        "give it with --set or --values, or write {{ name | default(...) }}",
        "A value that was forgotten, or is called differently in the file of values.",
        "name: {{ nmae }}\n", "name: {{ name }}\n", _TEMPLATES,
    ),
    "KF122": Reason(
        "Rendering stops at it, so there is nothing to check or to run.",
        "look at the value that was given, and at the filter's argument",
        "A filter or an operation that does not fit the value.",
        "nodes: {{ 'two' + 1 }}\n", "nodes: {{ 2 + 1 }}\n", _TEMPLATES,
    ),
    "KF123": Reason(
        "A manifest may come from anybody: a template that reached files or Python would run their code.",
        "use the values that are given, and Jinja2's own filters",
        "An attribute that begins with _, an import, an include or a macro's insides.",
        "name: {{ name.__class__ }}\n", "name: {{ name }}\n", _TEMPLATES,
    ),
    "KF124": Reason(
        "A check in CI must end, whatever it is given.",
        "make fewer rounds, or write the manifests with a program",
        "A loop over very many items, or a very long text.", source=_TEMPLATES,
    ),
    "KF125": Reason(
        "Values are found by name, and a list or a text has none.",
        "write one mapping, name: value",
        "A list, a plain text or several documents in the file.",
        "- name: mnist\n", "name: mnist\n", _TEMPLATES,
    ),
    "KF126": Reason(
        "Only a manifest says what a cluster is to run; kubectl would not take the file either.",
        "kfrun run SCRIPT runs a script without one, kfrun init SCRIPT writes one",
        "A script, a notebook or a file of settings was named where a manifest belongs.",
        source="kfrun: what -f names",
    ),
    "KF127": Reason(
        "It would end at once, and what it needs cannot be read of it.",
        "mend the marked line; a script for another Python is run by kfrun run -- python SCRIPT",
        "An unfinished edit, the marks of a merge conflict, Python 2, or what only a later Python knows.",
        source="kfrun: scripts without a manifest",
    ),
    "KF128": Reason(
        "The script may stop at the import, and whether it needs PyTorch is told without what the module imports.",
        "mend the module, or say what the script needs: --runtime, --requirements",
        "A module with an unfinished edit, or of another Python.",
        source="kfrun: scripts without a manifest",
    ),
    "KF129": Reason(
        "A script for PyTorch runs in an environment of its own, in which there is nothing but what is named; the job "
        "would stop at the import.",
        "write the packages into requirements.txt, pyproject.toml or a # /// script block of the script",
        "The packages are installed in the Python that is used by hand, and no file says so.",
        source="kfrun: scripts without a manifest",
    ),
    "KF130": Reason(
        "kubectl create secret --from-env-file refuses it, and what the job would get is not what was meant.",
        "write KEY=VALUE, one a line; the value is taken as it stands there, with its quotes",
        "A token alone in the file, export before a key, a key that is there twice, or a value on several lines.",
        source="kubectl: --from-env-file; kfrun: --secret-env-file",
    ),
    "KF131": Reason(
        "Whoever uses this machine, too, can read the secrets in it. ssh says the same of keys, and uses none.",
        "chmod 600 FILE",
        "The file was made with the usual mode, 0644.",
        source="kfrun: --secret-env-file",
    ),
}  # fmt: skip
"""Code -> why it is a problem and how to mend it."""
