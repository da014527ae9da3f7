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
