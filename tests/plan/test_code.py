"""What of the code counts as changed since a run."""

from __future__ import annotations

import pytest

from kfrun.model.change import CodeChange
from kfrun.model.code import CodeFile, SourceCode
from kfrun.plan import code

START, DURING, END, LATER = 100.0, 150.0, 200.0, 300.0
BEFORE = SourceCode({"train.py": CodeFile("1"), "conf.yaml": CodeFile("1")}, START)


def now(**changed: tuple[str, float]) -> SourceCode:
    """The code with other or further files: their digests, and when they were written."""
    files = {name: CodeFile(file.digest, 50.0, 50.0) for name, file in BEFORE.files.items()}
    files |= {name.replace("_", "."): CodeFile(digest, time, time) for name, (digest, time) in changed.items()}
    return SourceCode(files, LATER + 1)


def marks(found: SourceCode, ended: float | None = END, before: SourceCode = BEFORE) -> list[str]:
    return [f"{one.mark} {one.name}" for one in code.changes(before, found, ended)]


def test_nothing_has_changed_where_digests_are_the_same():
    assert marks(now()) == []
    assert marks(now(train_py=("1", LATER))) == []


@pytest.mark.parametrize("time", [50.0, DURING, LATER])
def test_a_source_counts_whenever_it_was_changed(time):
    assert marks(now(train_py=("2", time))) == ["~ train.py"]
    assert marks(now(train_py=("2", time)), ended=None) == ["~ train.py"]


def test_of_what_is_no_source_the_time_of_the_run_is_the_jobs():
    assert marks(now(conf_yaml=("2", DURING))) == []
    assert marks(now(conf_yaml=("2", LATER))) == ["~ conf.yaml"]
    assert marks(now(conf_yaml=("2", 50.0))) == ["~ conf.yaml"]
    assert marks(now(conf_yaml=("2", LATER)), ended=None) == []


def test_new_files_count_when_they_are_sources_and_came_after_the_run():
    assert marks(now(model_py=("1", DURING))) == []
    assert marks(now(model_py=("1", LATER))) == ["+ model.py"]
    assert marks(now(model_py=("1", LATER)), ended=None) == []
    assert marks(now(metrics_json=("1", LATER))) == []


def test_sources_that_are_gone_count():
    gone = SourceCode({"conf.yaml": CodeFile("1")}, LATER)
    assert marks(gone) == ["- train.py"]
    assert marks(SourceCode({"train.py": CodeFile("1", 50.0, 50.0)}, LATER)) == []


def test_of_what_was_not_looked_at_nothing_is_said():
    gone = SourceCode({}, LATER, is_partial=True)
    assert marks(gone) == []
    assert marks(now(model_py=("1", LATER)), before=BEFORE._replace(is_partial=True)) == []
    assert code.changes(None, now(), END) == code.changes(BEFORE, None, END) == ()


def test_a_source_that_a_run_made_is_the_jobs_until_somebody_writes_it_at_another_time():
    second = code.following(BEFORE, now(copy_py=("1", DURING)), END)._replace(read=LATER)
    assert second.made == {"copy.py"}
    written_by_the_job = now(copy_py=("2", LATER + 5))
    assert marks(written_by_the_job, LATER + 10, second) == []
    assert code.following(second, written_by_the_job, LATER + 10).made == {"copy.py"}
    written_by_somebody = now(copy_py=("3", LATER + 50))
    assert marks(written_by_somebody, LATER + 10, second) == ["~ copy.py"]
    assert code.following(second, written_by_somebody, LATER + 10).made == frozenset()
    assert code.following(None, now(), END) == now()


def test_code_is_kept_and_read_back():
    kept = BEFORE._replace(is_partial=True, made=frozenset({"copy.py"}), folder="/a folder")
    assert SourceCode.of_json(kept.to_json()) == kept


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"format": 2}', '{"format": 1}', '{"format": 1, "files": 3}'])
def test_what_cannot_be_read_is_no_code(text):
    assert SourceCode.of_json(text) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ([], ""),
        (["~ train.py"], "train.py has changed since this run"),
        (["+ model.py"], "model.py has come since this run"),
        (["- model.py"], "model.py is gone since this run"),
        (["~ train.py", "+ a.py", "- b.py"], "train.py and 2 more have changed since this run"),
    ],
)
def test_it_is_said_in_a_few_words(changed, said):
    assert code.said([CodeChange(*one.split()) for one in changed]) == said
