"""What was found sound is only taken for sound again where everything that it depends on is the same."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kfrun import settings as settings_module
from kfrun.flow.checker import structure, verdicts
from kfrun.load import sources
from tests.bench import corpus
from tests.cli.manifests import JOB
from tests.cli.manifests import RUNTIME as WITHOUT_IMAGE
from tests.flow.checker.ways import DOCUMENTS, again, many, one_by_one, settings_of

if TYPE_CHECKING:
    from kfrun.settings import Settings


RUNTIME = WITHOUT_IMAGE.replace(
    "- name: node\n                  ", "- name: node\n                  image: python\n                  "
)
MINE = JOB.replace("name: plain-python", "name: mine\n    kind: TrainingRuntime")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def remembered(folder: Path, settings: Settings, **asked: Any) -> list[Any]:
    """What is found when earlier checks are remembered: what is found without memory."""
    found = again([str(folder)], settings, **asked)
    assert found == many([str(folder)], settings, **asked)
    return found[1]


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
        asked = {"only_own_kinds": chance.random() < 0.2, "backend": chance.choice((None, None, "process"))}
        remembered(files, settings_of(tmp_path, **flags), **asked)


# What is looked at


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return corpus.write(tmp_path / "files", DOCUMENTS)


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were looked at."""
    seen: list[str] = []
    real = structure.examine

    def spy(texts: Any, asked: Any) -> Any:
        seen.extend(Path(text.name).name for text in texts)
        return real(texts, asked)

    monkeypatch.setattr(structure, "examine", spy)
    return seen


def test_what_did_not_change_is_not_looked_at_again(folder: Path, settings: Settings, examined: list[str]) -> None:
    first = again([str(folder)], settings)
    assert len(examined) == DOCUMENTS
    assert again([str(folder)], settings) == first
    assert len(examined) == DOCUMENTS
    assert first[1] == []


def test_a_changed_job_is_looked_at_with_its_runtime(folder: Path, settings: Settings, examined: list[str]) -> None:
    again([str(folder)], settings)
    examined.clear()
    job = sources.load([str(folder / "00003-job.yaml")])[0]
    path = folder / "00003-job.yaml"
    path.write_text(path.read_text().replace("numNodes:", "numNodes: 1000000000000 #"))
    found = again([str(folder)], settings)
    assert found == one_by_one([str(folder)], settings)
    assert {one.object for one in found[1]} == {job.key._replace(namespace="default")}
    assert sorted(set(examined)) == ["00003-job.yaml", "00003-runtime.yaml"]


def test_a_changed_runtime_is_looked_at_with_its_jobs(folder: Path, settings: Settings, examined: list[str]) -> None:
    again([str(folder)], settings)
    examined.clear()
    path = folder / "00004-runtime.yaml"
    path.write_text(path.read_text().replace("image:", "image: ' ' #", 1))
    found = again([str(folder)], settings)
    assert found == one_by_one([str(folder)], settings)
    assert sorted(set(examined)) == ["00004-job.yaml", "00004-runtime.yaml"]


def test_a_runtime_that_went_away_is_missed(folder: Path, settings: Settings) -> None:
    again([str(folder)], settings)
    (folder / "00005-runtime.yaml").unlink()
    found = again([str(folder)], settings)
    assert [one.code for one in found[1]] == ["KF401"]
    assert found == one_by_one([str(folder)], settings)


def test_the_same_object_twice_is_told_although_both_texts_are_known(folder: Path, settings: Settings) -> None:
    again([str(folder)], settings)
    (folder / "again.yaml").write_bytes((folder / "00001-job.yaml").read_bytes())
    found = again([str(folder)], settings)
    assert [one.code for one in found[1]] == ["KF209"]
    assert found == one_by_one([str(folder)], settings)


def test_what_was_wrong_is_told_again_and_again(folder: Path, settings: Settings) -> None:
    path = folder / "00002-job.yaml"
    path.write_text(path.read_text().replace("numNodes:", "nodes:"))
    first = again([str(folder)], settings)
    assert first[1]
    assert again([str(folder)], settings) == first


@pytest.mark.parametrize("change", [{"until": "schema"}, {"only_own_kinds": True}, {"backend": "process"}])
def test_every_way_of_checking_has_a_memory_of_its_own(
    change: dict[str, Any], folder: Path, settings: Settings, examined: list[str]
) -> None:
    again([str(folder)], settings)
    examined.clear()
    again([str(folder)], settings, **change)
    assert len(examined) == DOCUMENTS


def test_another_version_forgets(folder: Path, settings: Settings, examined: list[str]) -> None:
    again([str(folder)], settings)
    examined.clear()
    other = settings._replace(trainer_version="v2.2")
    again([str(folder)], other)
    assert len(examined) == DOCUMENTS


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"x": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_memory_is_none(content: bytes, folder: Path, settings: Settings) -> None:
    expected = again([str(folder)], settings)
    (kept,) = Path(settings.cache_dir, "verdicts").iterdir()
    kept.write_bytes(content)
    assert again([str(folder)], settings) == expected


def test_entries_of_another_shape_are_none(folder: Path, settings: Settings) -> None:
    import json

    expected = again([str(folder)], settings)
    (kept,) = Path(settings.cache_dir, "verdicts").iterdir()
    kept.write_text(json.dumps({text: [[1]] for text in json.loads(kept.read_text())}))
    assert again([str(folder)], settings) == expected


def test_memory_is_private_and_its_loss_is_none(folder: Path, settings: Settings) -> None:
    again([str(folder)], settings)
    place = Path(settings.cache_dir, "verdicts")
    (kept,) = place.iterdir()
    assert (place.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
    kept.unlink()
    place.rmdir()
    place.write_text("in the way")
    assert again([str(folder)], settings)[1] == []


def test_no_home_is_made_up_for_it(folder: Path, tmp_path: Path) -> None:
    nowhere = settings_module.load({}, {"HOME": "/kfrun-test-no-such-home"}, tmp_path)
    assert again([str(folder)], nowhere)[1] == []
    assert not Path("/kfrun-test-no-such-home").exists()


def test_a_large_memory_is_left_alone_by_small_inputs(
    folder: Path, settings: Settings, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    again([str(folder)], settings)
    (kept,) = Path(settings.cache_dir, "verdicts").iterdir()
    before = kept.read_bytes()
    monkeypatch.setattr(verdicts, "_ALWAYS_READ", 100)
    examined.clear()
    (folder / "00001-job.yaml").rename(folder.parent / "job.yaml")
    again([str(folder.parent / "job.yaml"), str(folder / "00001-runtime.yaml")], settings)
    assert examined == []
    monkeypatch.setattr(verdicts, "_ALWAYS_READ", -1)
    tiny = folder.parent / "tiny.yaml"
    tiny.write_text("{apiVersion: v1, kind: Namespace, metadata: {name: a}}")
    assert again([str(tiny)], settings)[1] == []
    assert kept.read_bytes() == before


def test_the_memory_of_somebody_else_is_not_believed(
    folder: Path, settings: Settings, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    again([str(folder)], settings)
    examined.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    again([str(folder)], settings)
    assert len(examined) == DOCUMENTS
