"""The text of a made manifest: whatever was said comes back from it as it was."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kfrun.errors import UsageProblem
from kfrun.load import kubeyaml
from kfrun.load.script import manifest
from kfrun.model.script import Parameter, ScriptCall, ScriptSummary

FACTS = ScriptSummary("train.py", "/home/you/churn", "/home/you/churn/train.py", "churn", ("python", "train.py"))
NOTHING = ScriptCall()
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
AWKWARD = (
    "", " ", "~", "null", "Null", "yes", "No", "on", "y", "1", "-1", "0x1F", "0o7", "1e3", ".5", ".inf", "-.inf",
    ".nan", "1_000", "2024-01-01", "12:30", "-", "--", "=", "<<", "a: b", "a #b", "#b", "[a]", "{a}", "*a", "&a", "!a",
    "|", ">",
    "%a", "@a", "`a", "'", '"', "\\", "a\nb", "\t", "\x85", "\u2028", "\ufeff", "é", "😀", "---", "...", "? a", "- a",
)  # fmt: skip


def text(facts: ScriptSummary = FACTS, call: ScriptCall = NOTHING, **more: object) -> str:
    return manifest.text(facts, call, **{"folder": facts.folder, **more})  # type: ignore[arg-type]


def read(written: str) -> dict[str, object]:
    documents, findings = kubeyaml.parse(written, "made")
    assert findings == []
    (document,) = documents
    assert yaml.safe_load(written) == document.data
    return document.data


def literal(word: str) -> str:
    """What Kubernetes makes of a word in which no variable is defined."""
    return word.replace("$$", "$")


@pytest.mark.parametrize("word", AWKWARD)
@pytest.mark.parametrize("explained", [False, True])
def test_an_awkward_word_comes_back(word: str, explained: bool) -> None:
    spec = read(text(FACTS._replace(args=(word, "end"), command=("python", f"{word}.py")), explained=explained))["spec"]
    assert spec["trainer"]["args"] == [word, "end"]  # type: ignore[index]
    assert spec["trainer"]["command"] == ["python", f"{word}.py"]  # type: ignore[index]


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=6), st.booleans())
def test_every_word_comes_back(words: list[str], explained: bool) -> None:
    parameters = tuple(Parameter((word,), " ".join(word.split())) for word in words if word.isprintable())
    facts = FACTS._replace(
        args=tuple(words), parameters=parameters, interface="argparse", shown="".join(words[0].split())
    )
    found = read(text(facts, explained=explained))["spec"]["trainer"]["args"]  # type: ignore[index]
    assert [literal(word) if "$(" in word or "$$" in word else word for word in found] == words


def test_paths_are_seen_from_where_the_manifest_lies() -> None:
    facts = FACTS._replace(requirements=("/home/you/churn/requirements.txt", "/home/you/churn/a/b.txt"))
    found = read(text(facts, folder="/home/you/churn/k8s"))["metadata"]["annotations"]  # type: ignore[index]
    assert found == {"kfrun.dev/source": "..", "kfrun.dev/requirements": "../requirements.txt\n../a/b.txt\n"}
    far = read(text(FACTS._replace(requirements=("/etc/x.txt",))))["metadata"]["annotations"]  # type: ignore[index]
    assert far == {"kfrun.dev/requirements": "/etc/x.txt"}


def test_processes_need_something_that_starts_them() -> None:
    with pytest.raises(UsageProblem, match="uses no PyTorch"):
        text(call=ScriptCall(processes=2))
    spec = read(text(FACTS._replace(distributed="torch"), ScriptCall(processes=3)))["spec"]
    assert spec["trainer"]["numProcPerNode"] == 3  # type: ignore[index]
    own = read(text(call=ScriptCall(processes=2, runtime="torch-distributed")))["spec"]
    assert own["trainer"]["command"] == ["torchrun", "train.py"]  # type: ignore[index]
