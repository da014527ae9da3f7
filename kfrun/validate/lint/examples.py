"""An example of what each lint policy finds, and the same mended.

Examples begin at the root of the object; another place stands in a comment of their first line.
"""

from __future__ import annotations

from typing import Final

from kfrun.validate.reasons import POD, REPLICATED, WHOLE_RUNTIME

_IMAGE: Final = "spec:\n  trainer: {{image: {}}}\n"
_NODES: Final = "spec:\n  trainer: {numNodes: 4}\n"
_PACKAGES: Final = "metadata:\n  annotations: {{kfrun.dev/packages: {}}}\n"
_CONTAINER: Final = f"{POD}containers:\n- name: node\n"
_CLAIM: Final = "volumes:\n- {name: data, persistentVolumeClaim: {claimName: data}}\n"
_GPUS: Final = "  resources: {limits: {nvidia.com/gpu: 8}}\n"
_SHM: Final = "volumes:\n- {name: shm, emptyDir: {medium: Memory}}\n"
_MOUNT: Final = "  volumeMounts:\n  - {{name: data, mountPath: {}}}\n"

_STEP: Final = "{labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}"

EXAMPLES: Final[dict[str, tuple[str, str]]] = {
    "KF701": (_IMAGE.format("example.com/mnist:latest"), _IMAGE.format("example.com/mnist:1.4")),
    "KF702": (_IMAGE.format("example.com/Mnist:1.4"), _IMAGE.format("example.com/mnist:1.4")),
    "KF703": (
        "spec:\n  trainer: {numNodes: 1}\n",
        'spec:\n  trainer:\n    numNodes: 1\n    resourcesPerNode:\n      limits: {cpu: "4", memory: 8Gi}\n',
    ),
    "KF704": (
        "spec:\n  trainer:\n    env:\n    - {name: HF_TOKEN, value: hf_abc}\n",
        "spec:\n  trainer:\n    env:\n    - {name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hf, key: token}}}\n",
    ),
    "KF705": (
        f"{_CONTAINER}{_MOUNT.format('/data')}volumes:\n- {{name: data, emptyDir: {{}}}}\n",
        f"{_CONTAINER}{_MOUNT.format('/data')}{_CLAIM}",
    ),
    "KF706": (
        f"{WHOLE_RUNTIME}metadata:\n  labels: {{trainer.kubeflow.org/support: deprecated}}\n",
        f"{WHOLE_RUNTIME}metadata:\n  labels: {{}}\n",
    ),
    "KF707": (_PACKAGES.format("torch>=2"), _PACKAGES.format("torch==2.9.1")),
    "KF708": (
        "spec:\n  trainer:\n    resourcesPerNode: {limits: {cpu: 2}}\n",
        'spec:\n  trainer:\n    resourcesPerNode: {limits: {cpu: "2"}}\n',
    ),
    "KF709": ("spec:\n  suspend: true\n", "spec:\n  suspend: false\n"),
    "KF710": (f"{POD}volumes:\n- name: data\n", f"{POD}volumes:\n- {{name: data, emptyDir: {{}}}}\n"),
    "KF711": (
        f"{WHOLE_RUNTIME}metadata:\n  labels: {{}}\n",
        f"{WHOLE_RUNTIME}metadata:\n  labels: {{trainer.kubeflow.org/framework: torch}}\n",
    ),
    "KF712": (_NODES, "spec:\n  activeDeadlineSeconds: 86400\n  trainer: {numNodes: 4}\n"),
    "KF713": (
        f"{_CONTAINER}  securityContext: {{privileged: true}}\n",
        f"{_CONTAINER}  securityContext: {{capabilities: {{add: [IPC_LOCK]}}}}\n",
    ),
    "KF714": (f"{POD}volumes:\n- {{name: data, hostPath: {{path: /data}}}}\n", f"{POD}{_CLAIM}"),
    "KF715": (
        "metadata:\n  annotations: {kfrun.dev/pip-index-urls: http://pypi.example.com/simple}\n",
        "metadata:\n  annotations: {kfrun.dev/pip-index-urls: https://pypi.example.com/simple}\n",
    ),
    "KF716": (
        f"{_CONTAINER}{_GPUS}",
        f"{_CONTAINER}{_GPUS}  volumeMounts:\n  - {{name: shm, mountPath: /dev/shm}}\n{_SHM}",
    ),
    "KF717": ("metadata:\n  labels: {}\n", "metadata:\n  labels: {team: vision}\n"),
    "KF718": (_IMAGE.format("docker.io/someone/mnist:1.4"), _IMAGE.format("registry.example.com/mnist:1.4")),
    "KF719": (f"{_CONTAINER}{_MOUNT.format('data')}", f"{_CONTAINER}{_MOUNT.format('/data')}"),
    "KF720": (
        'spec:\n  initializer:\n    dataset: {storageUri: "gs://bucket/data"}\n',
        'spec:\n  initializer:\n    dataset: {storageUri: "s3://bucket/data"}\n',
    ),
    "KF721": (
        "spec:\n  runtimeRef: {name: torch-distributed}\n",
        "spec:\n  runtimeRef: {name: torch-distributed}\n  trainer: {}\n",
    ),
    "KF722": (
        f"{REPLICATED}name: node\ntemplate:\n  spec:\n    template:\n      metadata: {_STEP}\n",
        f"{REPLICATED}name: node\ntemplate:\n  metadata: {_STEP}\n",
    ),
    "KF723": (
        'spec:\n  trainer:\n    resourcesPerNode: {limits: {cpu: "2.5"}}\n',
        "spec:\n  trainer:\n    resourcesPerNode: {limits: {cpu: 2500m}}\n",
    ),
    "KF724": (
        "spec:\n  trainer: {numNodes: 2, command: [python, train.py]}\n",
        "spec:\n  trainer: {numNodes: 2, command: [torchrun, train.py]}\n",
    ),
    "KF725": (
        'spec:\n  trainer: {command: ["python train.py"]}\n',
        "spec:\n  trainer: {command: [python, train.py]}\n",
    ),
}
"""Code -> what is found, and what is not."""
