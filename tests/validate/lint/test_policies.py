from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from kfrun.load import kubeyaml
from kfrun.model.source import Severity, Stage
from kfrun.validate.lint import table
from kfrun.validate.lint.subject import Choice

RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata:
  name: mine
  labels: {trainer.kubeflow.org/framework: torch}
spec:
  mlPolicy: {numNodes: 1, torch: {}}
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata:
            labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}
          spec:
            template:
              spec:
                containers:
                - name: node
                  image: registry.example.com/torch:2.9
                  resources: {limits: {cpu: "4"}}
                  volumeMounts:
                  - {name: data, mountPath: /data}
                volumes:
                - {name: data, persistentVolumeClaim: {claimName: data}}
"""
"""A runtime about which there is nothing to say."""

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: mnist
spec:
  runtimeRef: {name: mine}
  activeDeadlineSeconds: 3600
  trainer:
    image: registry.example.com/mnist:1.2
"""
"""The same for a TrainJob."""

MULTI = JOB.replace("  trainer:\n", "  trainer:\n    numNodes: 4\n")
NO_VOLUME = RUNTIME.replace("persistentVolumeClaim: {claimName: data}", "emptyDir: {}")
PATCH = """\
  runtimePatches:
  - manager: example.com/x
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
          - name: node
            template:
              spec:
                template:
                  spec:
"""


def patched(*lines: str) -> str:
    return JOB + PATCH + "".join(f"                    {line}\n" for line in lines)


def annotated(name: str, value: str, text: str = JOB) -> str:
    return text.replace("  name: m", f"  annotations:\n    {name}: {value}\n  name: m", 1)


def env(name: str, value: str) -> str:
    return f"{JOB}    env:\n    - name: {name}\n      value: {value}\n"


def parse(text: str):
    documents, problems = kubeyaml.parse(text, "job.yaml", folder=None)
    assert not problems, problems
    return documents[0]


def found(text: str, runtime: str | None = RUNTIME, choice: Choice | None = None):
    data = parse(runtime).data if runtime else None
    return table.check([parse(text)], lambda _: data, choice or Choice())


def codes(*arguments, **options) -> list[str]:
    return [one.code for one in found(*arguments, **options)]


PACKAGES = "metadata.annotations[kfrun.dev/packages]"
INDEX_URLS = "metadata.annotations[kfrun.dev/pip-index-urls]"
POD = "spec.runtimePatches[0].trainingRuntimeSpec.template.spec.replicatedJobs[0].template.spec.template.spec"
GS_DATA = f"{JOB}  initializer: {{dataset: {{storageUri: gs://bucket/data}}}}\n"
CLAIMS = RUNTIME.replace("    spec:\n", "    spec:\n      volumeClaimPolicies: [{}]\n", 1)

BAD = [
    ("KF701", JOB.replace(":1.2", ""), "spec.trainer.image", 9),
    ("KF701", JOB.replace(":1.2", ":latest"), "spec.trainer.image", 9),
    ("KF701", JOB.replace("example.com/mnist:1.2", "example.com:5000/mnist"), "spec.trainer.image", 9),
    ("KF702", JOB.replace(":1.2", " :1.2"), "spec.trainer.image", 9),
    ("KF702", JOB.replace("/mnist", "/Mnist"), "spec.trainer.image", 9),
    ("KF704", env("HF_TOKEN", "abc"), "spec.trainer.env[0].value", 12),
    ("KF704", env("db_password", "abc"), "spec.trainer.env[0].value", 12),
    ("KF704", env("WHATEVER", "AKIAIOSFODNN7EXAMPLE"), "spec.trainer.env[0].value", 12),
    ("KF704", env("TRACKING", "https://me:hunter2@example.com"), "spec.trainer.env[0].value", 12),
    ("KF707", annotated("kfrun.dev/packages", "torch>=2"), PACKAGES, 5),
    ("KF707", annotated("kfrun.dev/packages", "torch==2.*"), PACKAGES, 5),
    ("KF707", annotated("kfrun.dev/packages", "|\n      numpy==2.0\n      torch"), PACKAGES, 7),
    ("KF708", f"{JOB}    resourcesPerNode: {{limits: {{cpu: 2}}}}\n", "spec.trainer.resourcesPerNode.limits.cpu", 10),
    ("KF710", patched("volumes:", "- name: scratch"), f"{POD}.volumes[0]", 22),
    ("KF712", MULTI.replace("  activeDeadlineSeconds: 3600\n", ""), "spec.activeDeadlineSeconds", 5),
    ("KF715", annotated("kfrun.dev/pip-index-urls", "http://example.com/simple"), INDEX_URLS, 5),
    ("KF715", annotated("kfrun.dev/pip-index-urls", "https://me:pw@example.com/simple"), INDEX_URLS, 5),
    ("KF720", GS_DATA, "spec.initializer.dataset.storageUri", 10),
    ("KF721", JOB.replace("  trainer:\n    image: registry.example.com/mnist:1.2\n", ""), "spec.trainer", 5),
    ("KF724", f"{MULTI}    command: [python, train.py]\n", "spec.trainer.command", 11),
    ("KF724", f"{MULTI}    command: [/usr/bin/python3.12, -m, train]\n", "spec.trainer.command", 11),
    ("KF724", f"{MULTI}    command: [sh, -c, cd /app && python train.py]\n", "spec.trainer.command", 11),
    ("KF724", f"{MULTI}    command: [uv, run, train.py]\n", "spec.trainer.command", 11),
    ("KF724", f"{MULTI}    command: [./train.py]\n", "spec.trainer.command", 11),
    ("KF724", f"{JOB}    numProcPerNode: 2\n    command: [python, train.py]\n", "spec.trainer.command", 11),
    ("KF725", f'{JOB}    command: ["python train.py"]\n', "spec.trainer.command[0]", 10),
    ("KF725", f'{JOB}    command: ["./train.sh --lr 1", b]\n', "spec.trainer.command[0]", 10),
    ("KF725", f"{JOB}    command:\n    - |\n      python train.py\n", "spec.trainer.command[0]", 11),
    ("KF725", patched("containers:", '- {name: node, command: ["sh run.sh"]}'), f"{POD}.containers[0].command[0]", 22),
    ("KF723", f"{JOB}    resourcesPerNode: {{limits: {{cpu: '0.5'}}}}\n",
     "spec.trainer.resourcesPerNode.limits.cpu", 10),
    ("KF723", patched("volumes:", "- {name: a, emptyDir: {sizeLimit: 2048Mi}}"),
     f"{POD}.volumes[0].emptyDir.sizeLimit", 22),
    ("KF723", f"{JOB}    env:\n    - name: A\n      valueFrom: {{resourceFieldRef: {{resource: limits.cpu}}}}\n",
     "spec.trainer.env[0].valueFrom.resourceFieldRef.divisor", 12),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "field", "line"), BAD)
def test_a_job_that_breaks_a_policy(code, text, field, line):
    (one,) = found(text)
    assert (one.code, one.field, one.position.line) == (code, field, line)
    assert (one.severity, one.stage, one.object.name) == (Severity.WARNING, Stage.LINT, "mnist")
    assert one.hint


@pytest.mark.parametrize(
    ("code", "job", "runtime"),
    [
        ("KF703", JOB, RUNTIME.replace('resources: {limits: {cpu: "4"}}', "resources: {}")),
        ("KF705", MULTI, NO_VOLUME),
        ("KF706", JOB, RUNTIME.replace("labels: {", "labels: {trainer.kubeflow.org/support: deprecated, ", 1)),
        ("KF709", JOB + "  suspend: true\n", CLAIMS),
        ("KF709", JOB.replace("  name:", "  labels: {kueue.x-k8s.io/queue-name: q}\n  name:", 1),
         CLAIMS),
        ("KF712", JOB.replace("  activeDeadlineSeconds: 3600\n", ""), RUNTIME.replace("numNodes: 1", "numNodes: 2")),
        ("KF724", MULTI, RUNTIME.replace("image:", "command: [python, train.py]\n                  image:", 1)),
        ("KF724", f"{MULTI}    args: [train.py]\n",
         RUNTIME.replace("image:", "command: [python]\n                  image:", 1)),
        ("KF716", f"{JOB}    resourcesPerNode: {{limits: {{nvidia.com/gpu: '8'}}}}\n", RUNTIME),
    ],
)  # fmt: skip
def test_a_job_that_breaks_a_policy_with_its_runtime(code, job, runtime):
    assert codes(job, runtime) == [code]


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("KF701", "torch:2.9", "torch"),
        ("KF710", "name: data, persistentVolumeClaim: {claimName: data}", "name: data"),
        ("KF711", "labels: {trainer.kubeflow.org/framework: torch}", "labels: {}"),
        ("KF713", "resources:", "securityContext: {privileged: true}\n                  resources:"),
        ("KF714", "containers:", "hostNetwork: true\n                containers:"),
        ("KF714", "persistentVolumeClaim: {claimName: data}", "hostPath: {path: /data}"),
        ("KF719", "mountPath: /data", "mountPath: data"),
        ("KF704", "resources:", "env: [{name: API_KEY, value: abc}]\n                  resources:"),
    ],
)
def test_a_runtime_that_breaks_a_policy(code, old, new):
    assert old in RUNTIME
    assert codes(RUNTIME.replace(old, new, 1)) == [code]


@pytest.mark.parametrize(
    "text",
    [
        JOB,
        RUNTIME,
        MULTI,
        JOB.replace(":1.2", f"@sha256:{'a' * 64}"),
        env("HF_TOKEN", "$(OTHER)"),
        env("TOKENIZERS_PARALLELISM", '"false"'),
        env("MAX_TOKENS", '"512"'),
        env("SECRET_FILE", "/run/secret"),
        f"{JOB}    env:\n    - name: HF_TOKEN\n      valueFrom: {{secretKeyRef: {{name: hf, key: token}}}}\n",
        annotated("kfrun.dev/packages", "torch==2.9.0"),
        annotated("kfrun.dev/packages", "'torch[x]==2.9.0 ; python_version > \"3\"'"),
        annotated("kfrun.dev/packages", "me @ https://example.com/me-1.0.whl"),
        annotated("kfrun.dev/pip-index-urls", "http://localhost:8080/simple"),
        patched("volumes:", "- {name: data}"),
        patched("volumes:", "- {name: scratch, emptyDir: {}}"),
        f"{JOB}  initializer: {{model: {{storageUri: s3://bucket/model}}}}\n",
        JOB + "  suspend: true\n",
        f"{JOB}    command: [python, train.py]\n",
        f"{MULTI}    command: [torchrun, train.py]\n",
        f"{MULTI}    command: [python, -m, torch.distributed.run, train.py]\n",
        f"{MULTI}    command: [accelerate, launch, train.py]\n",
        f"{MULTI}    command: [sh, -c, pip list && torchrun train.py]\n",
        f"{MULTI}    command: [python]\n    args: [-m, accelerate.commands.launch, train.py]\n",
        f"{MULTI}    command: [bash, run.sh]\n",
        f"{MULTI}    command: []\n",
        f'{JOB}    command: ["/opt/my tools/train"]\n',
        f'{JOB}    command: ["./my train"]\n',
        f'{JOB}    command: [sh, -c, "python train.py"]\n',
    ],
)
def test_what_no_policy_minds(text):
    assert codes(text) == []


def test_shared_memory_and_checkpoints_may_come_from_a_patch():
    gpus = "    resourcesPerNode: {limits: {nvidia.com/gpu: '8'}}\n"
    lines = ("containers:", "- {name: node, volumeMounts: [{name: shm, mountPath: /dev/shm}]}",
             "volumes:", "- {name: shm, emptyDir: {medium: Memory}}",
             "- {name: out, persistentVolumeClaim: {claimName: out}}")  # fmt: skip
    text = patched(*lines).replace("    image:", f"{gpus}    numNodes: 4\n    image:", 1)
    assert codes(text, NO_VOLUME) == []


def test_without_its_runtime_a_job_is_judged_by_what_it_says_itself():
    assert codes(MULTI.replace("  activeDeadlineSeconds: 3600\n", "").replace(":1.2", ""), None) == ["KF712", "KF701"]


def test_a_secret_is_not_shown():
    (one,) = found(env("PASSWORD", "hunter2"))
    assert one.excerpt is None
    assert "hunter2" not in f"{one.message}{one.hint}"
    (one,) = found(annotated("kfrun.dev/pip-index-urls", "https://me:hunter2@example.com"))
    assert "hunter2" not in repr(one)


# Switches


def test_a_comment_on_the_line_or_above_it_switches_a_policy_off():
    bad = JOB.replace(":1.2", "")
    assert codes(bad.replace("name: mnist\n", "name: mnist # kfrun: ignore KF701\n")) == ["KF701"], "another line"
    assert codes(bad.rstrip() + " # kfrun: ignore KF701\n") == []
    assert (
        codes(bad.replace("    image", "    # kfrun: ignore KF702, KF701\n    # the newest is meant\n    image")) == []
    )
    assert codes(bad.replace("  trainer:", "  trainer: # kfrun: ignore KF701")) == ["KF701"], "not on its own line"
    assert codes(bad.rstrip() + " # kfrun: ignore KF702\n") == ["KF701"]


def test_a_comment_above_a_list_item_counts_for_the_item():
    text = env("HF_TOKEN", "abc") + "    - name: OTHER_TOKEN\n      value: abc\n"
    shown = found(text.replace("    - name: HF", "    # kfrun: ignore KF704\n    - name: HF"))
    assert [one.field for one in shown] == ["spec.trainer.env[1].value"]


def test_a_comment_counts_for_one_package():
    text = annotated("kfrun.dev/packages", "|\n      numpy # kfrun: ignore KF707\n      torch")
    assert [one.message.split()[0] for one in found(text)] == ['"torch"']


def test_an_annotation_switches_policies_off():
    bad = env("HF_TOKEN", "abc").replace(":1.2", "")
    assert codes(bad) == ["KF701", "KF704"]
    assert codes(annotated("kfrun.dev/lint-ignore", "KF701", bad)) == ["KF704"]
    assert codes(annotated("kfrun.dev/lint-ignore", "KF701,KF704", bad)) == []
    assert codes(annotated("kfrun.dev/lint-ignore", "all", bad)) == []


def test_an_annotation_that_names_no_policy_is_told():
    (one,) = found(annotated("kfrun.dev/lint-ignore", "KF7O1"))
    assert (one.code, one.field) == ("KF700", "metadata.annotations[kfrun.dev/lint-ignore]")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(disabled=frozenset({"KF701"})), ["KF704"]),
        (Choice(disabled=frozenset({"all"})), []),
        (Choice(disabled=frozenset({"all"}), enabled=frozenset({"KF701"})), ["KF701"]),
        (Choice(required_labels=("team",)), ["KF717", "KF701", "KF704"]),
        (Choice(registries=("ghcr.io/", "registry.example.com/")), ["KF701", "KF704"]),
        (Choice(registries=("ghcr.io/",)), ["KF701", "KF718", "KF704"]),
    ],
)
def test_a_team_chooses(choice, expected):
    assert codes(env("HF_TOKEN", "abc").replace(":1.2", ""), choice=choice) == expected


def test_a_team_chooses_severities():
    (one,) = found(JOB.replace(":1.2", ""), choice=Choice(severities={"KF701": Severity.ERROR}))
    assert one.severity is Severity.ERROR


# The table


def test_every_policy_says_what_why_and_how():
    assert {policy.code for policy in table.POLICIES} == set(table.CODES) - {"KF700"}
    for policy in table.POLICIES:
        assert policy.title
        assert policy.why.endswith(".")
        assert policy.mend


JUNK = (None, True, 0, -1, 1.5, "", "x", "a b", [], [None], [[]], [{}], [{"name": None}], {}, {"x": None}, {"name": []})
EVERYTHING = f"""{
    patched(
        "hostNetwork: true",
        "volumes:",
        "- {name: a, hostPath: {path: /x}}",
        "containers: [{name: c, env: [{name: TOKEN, value: x}], volumeMounts: [{name: a, mountPath: x}]}]",
    )
}\
  suspend: true
  initializer: {{model: {{storageUri: gs://x, env: [{{name: TOKEN, value: x}}]}}}}
  podTemplateOverrides: [{{spec: {{volumes: [{{name: b}}]}}}}]
  podSpecOverrides: [{{volumes: [{{name: b}}]}}]
""".replace("    image", "    resourcesPerNode: {limits: {nvidia.com/gpu: 2}, requests: {cpu: 1}}\n    image", 1)


def paths(value, path=()):
    """The path of every value in it."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from paths(item, (*path, key))


@pytest.mark.parametrize("text", [EVERYTHING, annotated("kfrun.dev/packages", "x", RUNTIME)], ids=["job", "runtime"])
def test_values_of_wrong_types_are_passed_over(text):
    document, job, runtime = parse(text), parse(MULTI), parse(RUNTIME).data
    choice = Choice(required_labels=("team",), registries=("ghcr.io/",))
    tried = 0
    for path in list(paths(document.data)):
        for junk in JUNK if path and path != ("kind",) else ():
            data = copy.deepcopy(document.data)
            inner = data
            for part in path[:-1]:
                inner = inner[part]
            inner[path[-1]] = junk
            table.check([replace(document, data=data)], lambda _: runtime, choice)
            table.check([job], lambda _, data=data: data, choice)
            tried += 1
    assert tried > 500


@pytest.mark.parametrize("written", ["1", "2500m", "8Gi", "1500Mi", "16e3", "0"])
def test_what_a_cluster_leaves_as_it_is_can_be_patched(written):
    assert codes(f"{JOB}    resourcesPerNode: {{limits: {{cpu: '{written}', memory: 8Gi}}}}\n") == []


@pytest.mark.parametrize(
    ("patches", "then"),
    [
        ("", "no patch can be added, Kueue's neither"),
        ("  runtimePatches: [{manager: example.com/a, time: '2026-03-01T00:00:00Z'}]\n", "no patch can be added"),
        ("  runtimePatches: [{manager: example.com/a}]\n", "applying the same file again is refused"),
    ],
)
def test_what_a_rewritten_quantity_costs(patches, then):
    (one,) = found(f"{JOB}    resourcesPerNode: {{limits: {{memory: 1024Mi}}}}\n{patches}")
    assert one.message.startswith('memory is "1024Mi", and a cluster writes "1Gi" when it stamps a patch')
    assert then in one.message
    assert one.hint == 'write "1Gi"'
