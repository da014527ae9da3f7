"""Manifests that several tests of the verbs start from."""

from __future__ import annotations

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: mnist
spec:
  runtimeRef:
    name: plain-python
  trainer:
    command: [python, train.py]
"""


def job(code: str = "print('trained')") -> str:
    """A TrainJob that needs no file: what it trains with stands in its command."""
    return JOB.replace("mnist", "job").replace("train.py", f'-c, "{code}"')


PATCH = """\
  runtimePatches:
  - manager: example.com/me
    trainingRuntimeSpec:
      template:
        spec:
          replicatedJobs:
          - name: node
            template: {spec: {template: {spec: {%s}}}}
"""
"""Goes behind a job: a patch of the fields of its pods."""

RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata:
  name: mine
spec:
  template:
    spec:
      replicatedJobs:
      - name: node
        template:
          metadata:
            labels:
              trainer.kubeflow.org/trainjob-ancestor-step: trainer
          spec:
            template:
              spec:
                containers:
                - name: node
                  command: [python, -u, train.py]
"""

WRONG = JOB.replace("trainer:", "trainr:")
MISSING_RUNTIME = JOB.replace("plain-python", "plain-pyton")

SOUND = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: mnist
spec:
  runtimeRef:
    name: plain-python
  trainer:
    image: example.com/mnist:1.2
    resourcesPerNode: {limits: {cpu: "1"}}
    command: [python, train.py]
"""
"""Nothing for ``validate`` or ``lint`` to find."""
