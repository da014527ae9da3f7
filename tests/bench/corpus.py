"""Manifests as a team writes them, as many as asked for: TrainJobs, each with a runtime of its own, no two alike.

Every one is valid at every stage; or half of them are faulty, at all stages. Used by `validation`.
"""

from __future__ import annotations

import random
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_TEAMS = ("vision", "speech", "ranking", "search", "fraud", "robotics")
_MODELS = ("bert", "llama", "resnet", "whisper", "mixer", "unet", "wav2vec")
_POLICIES = {
    "torch": "torch: {}",
    "plain": "",
    "mpi": "mpi:\n  numProcPerNode: 1\n  mpiImplementation: OpenMPI\n  runLauncherAsNode: true",
    "jax": "jax: {}",
}
_SETTINGS = ("NCCL_DEBUG", "NCCL_SOCKET_IFNAME", "OMP_NUM_THREADS", "HF_HOME", "TOKENIZERS_PARALLELISM", "LOG_LEVEL")
JOB_FAULTS = (
    ("numNodes:", "numNode:"),
    ("numNodes: ", "numNodes: about "),
    ("resourcesPerNode:", "resources:"),
    ("memory: ", "memory: 1 "),
    ("    command:\n      - torchrun\n", "    command: torchrun\n    argument:\n"),
    ("    env:\n      - name: NCCL_DEBUG\n", "    env:\n      - nam: NCCL_DEBUG\n"),
    ('value: "', 'value: 0x1 # "'),
    ("  trainer:\n", "  trainers:\n"),
    ("  name: ", "  name: The-"),
    ("    team: ", "    team: the team "),
    ("kind: TrainJob", "kind: TrainingJob"),
    ("    kind: ", "    kind: Namespaced"),
    ("              - name: node\n", "              - name: worker\n"),
    ("                              - name: checkpoints\n", "                              - name: checkpoint\n"),
)
RUNTIME_FAULTS = (
    ("backoffLimit:", "backofLimit:"),
    ("containerPort: ", "containerPort: port "),
    ("              image: registry", "              img: registry"),
    ("operator: In", "operator: Within"),
    ("whenUnsatisfiable: ScheduleAnyway", "whenUnsatisfiable: Sometimes"),
    ("mountPath: /dev/shm", "path: /dev/shm"),
    ("- name: shm\n", "- name: shared\n"),
    ("periodSeconds: 10", "periodSeconds: -10"),
    ("runAsUser: 1000", "runAsUser: root"),
    ("sizeLimit: ", "sizeLimit: about "),
    ("publishNotReadyAddresses: true", "publishNotReadyAddresses: sometimes"),
    ("imagePullPolicy: IfNotPresent", "imagePullPolicy: Sometimes"),
)
"""What is wrong with a document: what stands there first, and instead of it. Of structure, rules, Jobs and JobSets."""

_DEPENDS_ON_NODES = "dependsOn:\n  - name: node\n    status: Ready\n"


def documents(count: int) -> Iterator[tuple[str, str]]:
    """Names and texts of ``count`` documents, jobs and runtimes by turns; the same for every call."""
    for number in range((count + 1) // 2):
        rng = random.Random(number)
        team, model = rng.choice(_TEAMS), rng.choice(_MODELS)
        policy = tuple(_POLICIES)[number % len(_POLICIES)]
        kind = "ClusterTrainingRuntime" if number // len(_POLICIES) % 2 else "TrainingRuntime"
        runtime = f"{policy}-{model}-{number:05d}"
        yield f"{number:05d}-job.yaml", _job(f"{team}-{number:05d}", runtime, kind, rng)
        if 2 * number + 1 < count:
            yield f"{number:05d}-runtime.yaml", _runtime(runtime, kind, policy, team, rng)


def _half_faulty(count: int) -> Iterator[tuple[str, str]]:
    """The same documents, of each job and its runtime one with a fault: of neighbours the other one."""
    for number, (name, text) in enumerate(documents(count)):
        pair, is_runtime = divmod(number, 2)
        yield (
            name,
            _broken(text, RUNTIME_FAULTS if is_runtime else JOB_FAULTS, pair // 2)
            if (is_runtime == pair % 2)
            else text,
        )


def _broken(text: str, faults: Sequence[tuple[str, str]], number: int) -> str:
    there, instead = faults[number % len(faults)]
    assert there in text
    return text.replace(there, instead, 1)


def write(folder: Path, count: int, *, half_faulty: bool = False) -> Path:
    """``count`` files of one document each; returns their folder."""
    folder.mkdir()
    for name, text in _half_faulty(count) if half_faulty else documents(count):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def write_stream(path: Path, *, count: int | None = None, size: int | None = None) -> Path:
    """One file of ``count`` documents, or of as many as ``size`` bytes take at least."""
    written = 0
    with path.open("w", encoding="utf-8") as file:
        # 100 bytes are less than any document: there are enough of them.
        for name, text in documents(count if count is not None else (size or 0) // 100):
            written += file.write(f"---\n{text}")
            # A job without its runtime would not be valid.
            if size is not None and written >= size and name.endswith("runtime.yaml"):
                break
    return path


def long_runtime() -> str:
    """One document of some 225 lines."""
    rng = random.Random(0)
    return _runtime("mpi-long-00000", "ClusterTrainingRuntime", "mpi", "vision", rng, settings=9)


def _job(name: str, runtime: str, kind: str, rng: random.Random) -> str:
    nodes, gpus, memory = rng.randint(2, 16), rng.choice((1, 2, 4, 8)), rng.randint(8, 256)
    return f"""\
# {name}: started by the nightly pipeline, reviewed by its owners.
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: {name}
  namespace: default
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: training
    team: {name.partition("-")[0]}
  annotations:
    example.com/owner: {name.partition("-")[0]}@example.com
    example.com/ticket: "ML-{rng.randint(1000, 99999)}"
spec:
  runtimeRef:
    apiGroup: trainer.kubeflow.org
    kind: {kind}
    name: {runtime}
  trainer:
    image: registry.example.com/{runtime}:v1.{rng.randint(0, 99)}.{rng.randint(0, 20)}
    numNodes: {nodes}
    command:
      - torchrun
      - -m
      - training.main
    args:
      - --epochs={rng.randint(1, 50)}
      - --batch-size={rng.choice((16, 32, 64, 128))}
      - --learning-rate={rng.random() / 1000:.6f}
      - --output=/checkpoints/{name}
    env:
{_indented(_env(rng, rng.randint(4, 8)), 6)}
      - name: HF_TOKEN
        valueFrom:
          secretKeyRef:
            name: hub-credentials
            key: token
    resourcesPerNode:
      requests:
        cpu: "{rng.randint(2, 32)}"
        memory: {memory}Gi
        nvidia.com/gpu: {gpus}
      limits:
        memory: {memory}Gi
        nvidia.com/gpu: {gpus}
  runtimePatches:
    - manager: example.com/pipeline
      trainingRuntimeSpec:
        template:
          spec:
            replicatedJobs:
              - name: node
                template:
                  metadata:
                    annotations:
                      example.com/run: "{rng.getrandbits(48):012x}"
                  spec:
                    template:
                      spec:
                        nodeSelector:
                          example.com/pool: gpu-{rng.randint(1, 9)}
                        tolerations:
                          - key: nvidia.com/gpu
                            operator: Exists
                            effect: NoSchedule
                        volumes:
                          - name: checkpoints
                            persistentVolumeClaim:
                              claimName: {name}
                        containers:
                          - name: node
                            volumeMounts:
                              - name: checkpoints
                                mountPath: /checkpoints
"""


def _runtime(name: str, kind: str, policy: str, team: str, rng: random.Random, settings: int = 5) -> str:
    ml_policy = f"numNodes: {rng.randint(1, 8)}\n{_POLICIES[policy]}".strip()
    jobs = _replicated_job("node", name, rng, settings)
    if policy == "mpi":
        launcher = _replicated_job("launcher", name, rng, settings)
        head, _, body = launcher.partition("\n")
        jobs = f"{jobs}{head}\n{_indented(_DEPENDS_ON_NODES, 2)}\n{body}"
    namespace = "" if kind.startswith("Cluster") else "\n  namespace: default"
    return f"""\
# {name}: what the platform team gives to {team}.
apiVersion: trainer.kubeflow.org/v1alpha1
kind: {kind}
metadata:
  name: {name}{namespace}
  labels:
    trainer.kubeflow.org/framework: {policy}
    team: {team}
  annotations:
    example.com/revision: "{rng.getrandbits(64):016x}"
spec:
  mlPolicy:
{_indented(ml_policy, 4)}
  template:
    spec:
      network:
        publishNotReadyAddresses: true
      failurePolicy:
        maxRestarts: {rng.randint(0, 5)}
      replicatedJobs:
{_indented(jobs, 8)}
"""


def _replicated_job(name: str, runtime: str, rng: random.Random, settings: int) -> str:
    memory = rng.randint(8, 256)
    # With MPI the launcher is told apart by its name, and it alone trains.
    trains = not runtime.startswith("mpi") or name == "launcher"
    label = "\n      labels:\n        trainer.kubeflow.org/trainjob-ancestor-step: trainer" if trains else ""
    return f"""\
- name: {name}
  template:
    metadata:{label}
      annotations:
        example.com/revision: "{rng.getrandbits(64):016x}"
    spec:
      backoffLimit: {rng.randint(0, 6)}
      template:
        metadata:
          labels:
            example.com/runtime: {runtime}
          annotations:
            prometheus.io/scrape: "true"
            prometheus.io/port: "{rng.randint(8000, 9000)}"
        spec:
          serviceAccountName: training
          terminationGracePeriodSeconds: {rng.randint(30, 300)}
          securityContext:
            runAsNonRoot: true
            runAsUser: 1000
            fsGroup: 1000
          affinity:
            nodeAffinity:
              requiredDuringSchedulingIgnoredDuringExecution:
                nodeSelectorTerms:
                  - matchExpressions:
                      - key: example.com/zone
                        operator: In
                        values: [zone-{rng.randint(1, 3)}, zone-{rng.randint(4, 6)}]
          topologySpreadConstraints:
            - maxSkew: 1
              topologyKey: kubernetes.io/hostname
              whenUnsatisfiable: ScheduleAnyway
              labelSelector:
                matchLabels:
                  example.com/runtime: {runtime}
          initContainers:
            - name: fetch
              image: registry.example.com/fetch:v{rng.randint(1, 9)}.{rng.randint(0, 9)}
              command: [fetch, --to, /data]
              volumeMounts:
                - name: data
                  mountPath: /data
          containers:
            - name: node
              image: registry.example.com/{runtime}:v1.{rng.randint(0, 99)}
              imagePullPolicy: IfNotPresent
              env:
{_indented(_env(rng, settings), 16)}
              ports:
                - name: metrics
                  containerPort: {rng.randint(8000, 9000)}
              resources:
                requests:
                  cpu: "{rng.randint(2, 32)}"
                  memory: {memory}Gi
                limits:
                  memory: {memory}Gi
              securityContext:
                allowPrivilegeEscalation: false
                capabilities:
                  drop: [ALL]
              readinessProbe:
                tcpSocket:
                  port: metrics
                initialDelaySeconds: {rng.randint(1, 30)}
                periodSeconds: 10
              volumeMounts:
                - name: data
                  mountPath: /data
                  readOnly: true
                - name: shm
                  mountPath: /dev/shm
          volumes:
            - name: data
              emptyDir:
                sizeLimit: {rng.randint(10, 500)}Gi
            - name: shm
              emptyDir:
                medium: Memory
"""


def _env(rng: random.Random, count: int) -> str:
    names = [*_SETTINGS, *(f"SETTING_{number:02d}" for number in range(count))][:count]
    return "\n".join(f'- name: {name}\n  value: "{rng.getrandbits(32):08x}"' for name in names)


def _indented(text: str, depth: int) -> str:
    return textwrap.indent(text.rstrip("\n"), " " * depth)
