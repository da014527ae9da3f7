from __future__ import annotations

from kfrun.model.resolution import PackageSet
from kfrun.resolve import extensions
from tests.resolve.reading import document, documents, runtime, trainjob


def _read(job, of=None):
    return extensions.read(
        document(trainjob(annotations=job)), document(runtime(annotations=of), "rt.yaml") if of else None
    )


def test_without_annotations_nothing_is_asked_for():
    settings = _read({"example.org/other": "x"})
    assert settings.packages == PackageSet()
    assert (settings.source, settings.backend, settings.findings) == (None, None, [])


def test_annotations_of_job_and_runtime_are_merged():
    settings = _read(
        {
            "kfrun.dev/packages": "torch==2.0.0\nscipy\n",
            "kfrun.dev/pip-index-urls": "https://job/simple\n",
            "kfrun.dev/source": "src",
        },
        {
            "kfrun.dev/packages": "torch==1.9.0\n# numbers\nnumpy\n",
            "kfrun.dev/pip-index-urls": "https://a/simple\nhttps://b/simple\n",
            "kfrun.dev/python": "3.12",
            "kfrun.dev/environment": "isolated",
            "kfrun.dev/backend": "docker",
        },
    )
    assert settings.packages == PackageSet(
        requirements=("numpy", "torch==2.0.0", "scipy"),
        index_urls=("https://job/simple",),
        python="3.12",
        isolated=True,
    )
    assert (settings.source, settings.backend) == ("src", "docker")
    assert not settings.findings


JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: tj
  annotations:
    kfrun.dev/packages: |
      numpy>=2
      # a comment
      torch=2.0
spec: {runtimeRef: {name: rt}}
"""


def test_a_bad_requirement_is_found_at_its_own_line():
    (finding,) = extensions.read(documents(JOB)[0], None).findings
    assert finding.code == "KF411"
    assert str(finding.position) == "job.yaml:9:7"
    assert finding.excerpt == "      torch=2.0"


def test_a_bad_requirement_in_one_line_is_found_there():
    text = JOB.replace("|\n      numpy>=2\n      # a comment\n      torch=2.0", '"torch=2.0"')
    (finding,) = extensions.read(documents(text)[0], None).findings
    assert str(finding.position) == "job.yaml:6:26"
