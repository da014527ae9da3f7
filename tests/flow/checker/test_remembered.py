"""What was found sound is only taken for sound again where everything that it depends on is the same."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from kfrun import settings as settings_module
from kfrun.flow.checker import pipeline
from kfrun.flow.checker import remembered as verdicts
from kfrun.flow.checker.remembered import Known, Verdicts
from kfrun.flow.checker.structure import Asked
from kfrun.load import data
from kfrun.model.source import ObjectKey
from tests.cli.manifests import JOB
from tests.cli.manifests import RUNTIME as WITHOUT_IMAGE

if TYPE_CHECKING:
    from pathlib import Path

    from kfrun.settings import Settings


RUNTIME = WITHOUT_IMAGE.replace(
    "- name: node\n                  ", "- name: node\n                  image: python\n                  "
)
MINE = JOB.replace("name: plain-python", "name: mine\n    kind: TrainingRuntime")


def settings_of(folder: Path, **flags: Any) -> Settings:
    return settings_module.load(flags, {"KFRUN_HOME": str(folder / "home")}, folder)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def remembered(folder: Path, settings: Settings, **asked: Any) -> list[Any]:
    """What is found when earlier checks are remembered: what is found without memory."""
    wish = Asked(settings, **asked)
    found = pipeline.check([str(folder)], wish, recursive=True, verdicts=Verdicts.open(wish))
    assert list(found.findings) == list(pipeline.check([str(folder)], wish, recursive=True).findings)
    return list(found.findings)


def recalled(settings: Settings) -> Verdicts:
    memory = Verdicts.open(Asked(settings))
    memory.recall(0)
    return memory


def test_minus_n_contradicts_what_was_sound_without_it(tmp_path: Path, files: Path) -> None:
    (files / "job.yaml").write_text(JOB.replace("  name: mnist", "  name: mnist\n  namespace: team"))
    assert remembered(files, settings_of(tmp_path)) == []
    assert [one.code for one in remembered(files, settings_of(tmp_path, namespace="default"))] == ["KF190"]


def test_a_job_depends_on_the_text_that_its_runtime_is_rendered_to(files: Path, settings: Settings) -> None:
    (files / "job.yaml").write_text(MINE)
    runtime = files / "runtime.yaml.j2"
    runtime.write_text(RUNTIME)
    assert remembered(files, settings) == []
    runtime.write_text(WITHOUT_IMAGE)
    assert [one.code for one in remembered(files, settings)] == ["KF371"]


def test_jobs_of_one_text_on_runtimes_of_which_one_changed(files: Path, settings: Settings) -> None:
    (files / "jobs.yaml").write_text(
        MINE + "---\n" + MINE.replace("name: mnist", "name: other").replace("name: mine", "name: yours")
    )
    (files / "mine.yaml").write_text(RUNTIME)
    (files / "yours.yaml").write_text(RUNTIME.replace("name: mine", "name: yours"))
    assert remembered(files, settings) == []
    (files / "mine.yaml").write_text(RUNTIME.replace("train.py", "other.py"))
    assert remembered(files, settings) == []


PACKAGES = RUNTIME.replace("  name: mine", '  name: mine\n  annotations: {kfrun.dev/packages: "not a requirement!"}')


def test_what_a_job_finds_wrong_in_its_runtime_is_told_again(files: Path, settings: Settings) -> None:
    (files / "job.yaml").write_text(MINE)
    (files / "runtime.yaml").write_text(PACKAGES)
    first = remembered(files, settings)
    assert first
    assert remembered(files, settings) == first


def test_a_checkout_with_links_to_nothing_has_a_state(
    files: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / ".#module.py").symlink_to("nowhere")
    (files / "module.py").write_text("x = 1\n")
    monkeypatch.setattr(data, "is_installed", lambda: False)
    monkeypatch.setattr(data, "checkout", lambda: (str(files),))
    before = recalled(settings)
    before.learn("text", [])
    before.save()
    assert recalled(settings).objects("text") == []
    (files / "module.py").write_text("x = 1234\n")
    assert recalled(settings).objects("text") is None


def test_an_installation_of_the_same_version_forgets_what_another_one_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path)
    module = tmp_path / "verdicts.py"
    module.write_text("x = 1\n")
    monkeypatch.setattr(data, "is_installed", lambda: True)
    monkeypatch.setattr(verdicts, "__file__", str(module))
    before = recalled(settings)
    before.learn("text", [])
    before.save()
    assert recalled(settings).objects("text") == []
    os.utime(module, (1, 1))
    assert recalled(settings).objects("text") is None


def test_a_text_that_is_too_large_to_remember_leaves_others_their_place(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_MOST_OBJECTS", 10)
    known = Known(ObjectKey("v1", "ConfigMap", "default", "x"))
    memory = recalled(settings)
    for text, count in (("oldest", 5), ("older", 3), ("large", 100), ("newest", 2)):
        memory.learn(text, [known] * count)
    memory.save()
    kept = recalled(settings)
    assert {text for text in ("oldest", "older", "large", "newest") if kept.objects(text)} == {"older", "newest"}
    assert kept.objects("newest") == [known, known]


YOURS = RUNTIME.replace("name: mine", "name: yours")
MINE_TOO, HIS = MINE.replace("name: mnist", "name: too"), MINE.replace("name: mnist", "name: his\n  namespace: team")
ON_YOURS = MINE.replace("name: mnist", "name: other").replace("name: mine", "name: yours")
SHIPPED = JOB.replace("mnist", "shipped").replace("plain-python", "torch-distributed")
PRIORITY = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1\n"
VARIANTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "mine.yaml": (
        (RUNTIME,),
        (RUNTIME.replace("train.py", "b.py"),),
        (WITHOUT_IMAGE,),
        (PACKAGES,),
        (PRIORITY, RUNTIME),
    ),
    "yours.yaml.j2": ((YOURS,), (YOURS,), (WITHOUT_IMAGE.replace("name: mine", "name: yours"),)),
    "team.yaml": ((HIS, RUNTIME.replace("name: mine", "name: mine\n  namespace: team")), (HIS,), ("# nothing\n",)),
    "both.yaml": ((MINE, ON_YOURS), (ON_YOURS, MINE), (MINE,), (MINE.replace("trainer:", "trainr:"), ON_YOURS)),
    "more.yaml": ((MINE_TOO,), (MINE_TOO, SHIPPED), (MINE_TOO, MINE), (SHIPPED, ON_YOURS)),
}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_changes_memory_changes_no_answer(seed: int, tmp_path: Path, files: Path) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        name = chance.choice(list(VARIANTS))
        if chance.random() < 0.1:
            (files / name).unlink(missing_ok=True)
            name = "mine.yaml"
        (files / name).write_text("---\n".join(chance.choice(VARIANTS[name])))
        flags = chance.choice(({}, {}, {}, {"namespace": "default"}))
        remembered(files, settings_of(tmp_path, **flags), only_own_kinds=chance.random() < 0.2)
