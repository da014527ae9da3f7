"""Every code has words of its own, and what is shown as wrong and right is so."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from kfrun.__main__ import main
from kfrun.flow import codes
from kfrun.model import kinds
from kfrun.validate import reasons
from kfrun.validate.admission import reasons as jobreasons

MEANINGS = codes.tables()
REASONS = codes.reasons()
EXAMPLES = {code: (one.wrong, one.right) for code, one in REASONS.items() if one.wrong}

ANCESTOR = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
POD = {"spec": {"containers": [{"name": "node"}]}}
NODE = {"name": "node", "template": {"metadata": {"labels": ANCESTOR}, "spec": {"template": POD}}}
RUNTIME: dict[str, Any] = {
    "apiVersion": kinds.API_VERSION,
    "kind": "TrainingRuntime",
    "metadata": {"name": "mine"},
    "spec": {"mlPolicy": {"torch": {}}, "template": {"spec": {"replicatedJobs": [NODE]}}},
}
JOB: dict[str, Any] = {
    "apiVersion": kinds.API_VERSION,
    "kind": "TrainJob",
    "metadata": {"name": "mnist"},
    "spec": {"runtimeRef": {"kind": "TrainingRuntime", "name": "mine"}},
}
IN_JOBSET = ("spec", "template", "spec")
IN_REPLICATED = (*IN_JOBSET, "replicatedJobs", 0)
PLACES: dict[str, tuple[str | int, ...]] = {
    reasons.WHOLE_RUNTIME: (),
    reasons.RUNTIME: ("spec",),
    reasons.JOBSET: IN_JOBSET,
    reasons.REPLICATED: IN_REPLICATED,
    jobreasons.TEMPLATE: (*IN_REPLICATED, "template"),
    jobreasons.JOB: (*IN_REPLICATED, "template", "spec"),
    reasons.POD: (*IN_REPLICATED, "template", "spec", "template", "spec"),
}
"""First line of an example -> where it stands in the runtime."""

CLAIMS = {"spec": {"template": {"spec": {"volumeClaimPolicies": [{"templates": [{"metadata": {"name": "data"}}]}]}}}}
GPUS = {"spec": {"trainer": {"resourcesPerNode": {"limits": {"nvidia.com/gpu": "8"}}}}}
RUNTIMES: dict[str, dict[str, Any]] = {
    "KF304": {"spec": {"mlPolicy": None}},
    "KF305": {"spec": {"mlPolicy": {"torch": None}}},
    "KF336": {"spec": {"mlPolicy": {"torch": None, "mpi": {"runLauncherAsNode": True}}}},
    "KF338": {"spec": {"podGroupPolicy": {"volcano": {}}}},
    "KF408": {"spec": {"mlPolicy": {"torch": None, "flux": {}}}},
    "KF709": CLAIMS,
    "KF717": {"metadata": {"labels": {"team": "vision"}}},
    "KF722": {"spec": {"template": {"spec": {"replicatedJobs": [{"template": {"metadata": None}}]}}}},
}
"""What the runtime of an example needs besides."""

JOBS: dict[str, dict[str, Any]] = {
    "KF203": {"spec": {"runtimeRef": {"kind": None, "name": None}}},
    "KF364": {"spec": {"trainer": {"numNodes": 2}}},
    "KF401": {"spec": {"runtimeRef": {"kind": None}}},
    "KF705": {"spec": {"trainer": {"numNodes": 4}}},
    "KF716": GPUS,
    "KF722": {"spec": {"trainer": {"command": ["python", "train.py"]}}},
}
"""What the job of an example needs besides."""

ITSELF = {code for code in EXAMPLES if code.startswith("KF1")}
"""Examples that are a whole text."""

NOT_SHOWN_RIGHT = {"KF331"}
"""What is right needs a runtime with initializers."""


def merged(base: Any, part: Any) -> Any:
    """``part`` put into ``base``: None removes, list items are merged by index, the first is the pattern."""
    if isinstance(part, dict) and isinstance(base, dict):
        both = {key: merged(base.get(key), value) for key, value in part.items()}
        return {key: value for key, value in {**base, **both}.items() if value is not None}
    if isinstance(part, list) and isinstance(base, list):
        return [merged(base[index] if index < len(base) else base[0], item) for index, item in enumerate(part)]
    return part


def put(base: dict[str, Any], path: tuple[str | int, ...], part: Any) -> dict[str, Any]:
    """A copy of ``base`` with ``part`` merged in at ``path``."""
    changed = copy.deepcopy(base)
    if not path:
        return merged(changed, part)
    holder: Any = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = merged(holder[path[-1]], part)
    return changed


def manifest(code: str, example: str) -> str:
    """The example with everything around it."""
    if code in ITSELF:
        return example
    place = next((line for line in PLACES if example.startswith(line)), None)
    job, runtime = put(JOB, (), JOBS.get(code, {})), put(RUNTIME, (), RUNTIMES.get(code, {}))
    part = yaml.safe_load(example)
    if place is None:
        job = put(job, (), part)
    else:
        runtime = put(runtime, PLACES[place], part)
    name = job["spec"]["runtimeRef"].get("name")
    if name and code not in {"KF401", "KF402"}:
        runtime["metadata"]["name"] = name
        job["spec"]["runtimeRef"].setdefault("kind", "TrainingRuntime")
    return yaml.safe_dump_all([runtime, job], sort_keys=False)


def call(code: str, example: str) -> list[str]:
    """The command line that looks for ``code``."""
    Path("given.yaml").write_text(manifest(code, example))
    if code == "KF125":
        Path("job.yaml").write_text("kind: {{ name }}\n")
        return ["validate", "-f", "job.yaml", "--values", "given.yaml"]
    if code.startswith("KF12"):
        return ["validate", "-f", "given.yaml", "--set", "name=mnist"]
    if code.startswith("KF7"):
        Path("kfrun.toml").write_text('[lint]\nrequired_labels = ["team"]\nregistries = ["registry.example.com/"]\n')
        return ["lint", "given.yaml"]
    return ["plan" if code.startswith("KF42") else "validate", "-f", "given.yaml"]


@pytest.fixture
def shown(no_home, capsys):
    def run(code: str, example: str) -> str:
        main(call(code, example))
        found = capsys.readouterr()
        return found.out + found.err

    return run


@pytest.mark.parametrize("code", MEANINGS)
def test_every_code_has_words_of_its_own(no_home, capsys, code):
    reason, stage = REASONS[code], codes.stage(code)
    assert "" not in (reason.why, reason.mend, reason.source, stage.by, *stage.documentation)
    assert reason.cause or code.startswith("KF7")
    assert main(["explain", code]) == 0
    assert capsys.readouterr().out.startswith(f"{code}: {MEANINGS[code]}\n")
    others = [one for other, one in REASONS.items() if other != code]
    assert not [one for one in others if reason.why == one.why or reason.mend == one.mend]


@pytest.mark.parametrize("prefix", codes.STAGES)
def test_more_is_told_by_pages_on_the_web_and_by_commands_that_need_no_clone(no_home, capsys, prefix):
    for place in codes.STAGES[prefix].documentation:
        if not place.startswith("https://"):
            program, *words = place.replace("NAME", "torch-distributed").split()
            assert program == "kfrun"
            assert main(words) in (0, 1), capsys.readouterr().err  # doctor may have found something
            capsys.readouterr()


def test_no_source_is_a_file_of_a_clone():
    assert not [code for code, one in REASONS.items() if ".md" in one.source]


def test_no_words_are_kept_for_codes_that_are_gone():
    assert set(REASONS) == set(MEANINGS)


@pytest.mark.parametrize("code", EXAMPLES)
def test_what_is_shown_as_wrong_is_found(shown, code):
    assert code in shown(code, EXAMPLES[code][0])


@pytest.mark.parametrize("code", sorted(set(EXAMPLES) - NOT_SHOWN_RIGHT))
def test_what_is_shown_as_right_is_not_found(shown, code):
    found = shown(code, EXAMPLES[code][1])
    assert found
    assert code not in found
