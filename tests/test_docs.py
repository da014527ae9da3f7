"""The documentation is true: its examples run and print what it shows, its tables say what the code says."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kfrun import errors
from kfrun.cli import exits
from tests import docblocks
from tests.docblocks import PAGES, ROOT, Block, Session

DOCS = ROOT / "docs"
PACKAGE = ROOT / "kfrun"
BLOCKS = [block for page in PAGES for block in docblocks.blocks(page)]
BASE = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainJob",
    "metadata": {"name": "sample"},
    "spec": {"runtimeRef": {"name": "plain-python"}, "trainer": {"command": ["true"]}},
}
"""What a fragment of a manifest is put into before it is validated."""

WRONG_ON_PURPOSE = {"wrong.yaml"}
CAMEL = re.compile(r"(?:[A-Z][a-z]+){2,}|Suspended|Resumed|Completed|Killing|Failed|Complete|Error|Cancelled")


def where(item: Path | Block) -> str:
    path = item.page if isinstance(item, Block) else item
    name = path.relative_to(ROOT).as_posix()
    return f"{name}:{item.line}" if isinstance(item, Block) else name


@pytest.fixture(scope="session")
def cache() -> Path:
    """The environments of the examples, shared with the tests that run them."""
    given = os.environ.get("KFRUN_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "kfrun-tests"


# Examples


PLAYED = [page for page in PAGES if any(b.page == page and b.language == "console" for b in BLOCKS)]


def test_the_pages_with_examples_are_known():
    assert {where(page) for page in PLAYED} == {"README.md", "docs/architecture.md", "docs/guide.md"}


@pytest.mark.parametrize("page", PLAYED, ids=where)
def test_commands_print_what_the_page_shows(page, cache, tmp_path):
    session = Session(tmp_path, cache)
    try:
        played = docblocks.play(page, session)
    finally:
        session.close()
    assert played
    for command, output in played:
        shown = f"{where(command.block)}: $ {command.line}\npage:\n{command.expected}\nnow:\n{output}"
        assert docblocks.agrees(command.expected, output), f"{shown}\npython -m tests.docblocks rewrites the page"


def merged(base, extra):
    """``extra`` laid over ``base``, mapping by mapping."""
    if not isinstance(base, dict) or not isinstance(extra, dict):
        return extra
    return {**base, **{key: merged(base.get(key), value) for key, value in extra.items()}}


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=where)
def test_manifests_are_valid(block, tmp_path):
    text = block.text
    if "apiVersion" not in text:
        text = yaml.safe_dump(merged(BASE, yaml.safe_load(text)))
    # beside it lies what the page has written beside it
    folder = (block.file or "").rpartition("/")[0]
    for other in BLOCKS:
        if other.page == block.page and other.file and folder and other.file.startswith(f"{folder}/"):
            (tmp_path / other.file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / other.file).write_text(other.text)
    path = tmp_path / folder / "manifest.yaml"
    path.write_text(text)
    environ = {**os.environ, "KFRUN_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "kfrun", "validate", "-f", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == (1 if block.file in WRONG_ON_PURPOSE else 0), done.stderr


def test_every_block_says_what_it_is():
    known = {"console", "yaml", "toml", "sh", "text", "python"}
    assert {where(block): block.language for block in BLOCKS if block.language not in known} == {}
    fences = {page: len(re.findall(r"^```", page.read_text(), re.MULTILINE)) for page in PAGES}
    assert {where(page) for page, count in fences.items() if count != 2 * len(docblocks.blocks(page))} == set()


@pytest.mark.parametrize(
    ("expected", "actual", "agree"),
    [
        ("done after 1.5 s\n", "done after 12.25 s\n", True),
        ("job-0-0-bcdfg  Running  3s\n", "job-0-0-98765 Running   1m2s\n", True),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a\n...\nz\n", "a\nz\n", True),
        ("[n-0] x\n[n-1] y\nend\n", "[n-1] y\n[n-0] x\nend\n", True),
        ("job: Installing Python packages\nx\n", "x\n", True),
        ("exit code 3\n", "exit code 1\n", False),
        ("a\n", "a\nb\n", False),
        ("a\nb\n", "b\na\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_outputs_are_compared_by_their_form(expected, actual, agree):
    assert docblocks.agrees(expected, actual) is agree


# Links and generated pages


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in links:
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(path), link


def generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_made_from_the_code(tmp_path, monkeypatch, capsys):
    made = generator()
    assert made.run(["--check"]) == 0, capsys.readouterr().out
    monkeypatch.setattr(made, "HERE", tmp_path)
    monkeypatch.setattr(made, "ROOT", tmp_path)
    monkeypatch.setattr(made, "codes", lambda: {"KF101": "a meaning"})
    assert made.run(["--check"]) == 1
    assert made.run([]) == 0
    assert made.run(["--check"]) == 0


def constants() -> dict[Path, list[str]]:
    """Every string constant of every module."""
    return {
        path: [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        for path in PACKAGE.rglob("*.py")
    }


def test_every_code_is_in_a_table_and_every_entry_is_used():
    known = generator().codes()
    found = [text for texts in constants().values() for text in texts if re.fullmatch(r"KF\d{3}", text)]
    assert set(found) == set(known)
    # once in its table, and where it is raised
    assert {code for code in known if found.count(code) < 2} == set()


# Tables


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    text = page.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_readme_has_the_exit_codes_of_the_help():
    assert [tuple(row) for row in rows(ROOT / "README.md", "Exit codes")] == list(exits.TABLE)


def test_every_error_has_a_documented_exit_code():
    documented = {code for code, _ in exits.TABLE}
    tree = errors.__doc__ or ""
    classes = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, errors.KfrunError)]
    assert len(classes) > 5
    for item in classes:
        assert str(item.exit_code) in documented, item
        assert item.__doc__, item
        if item is not errors.KfrunError:
            line = re.search(rf"^ *{item.__name__} +(\d+) ", tree, re.MULTILINE)
            assert line, f"the tree in errors.py lacks {item.__name__}"
            assert int(line[1]) == item.exit_code


def test_the_readme_names_every_verb():
    from kfrun.cli.main import COMMANDS

    named = re.findall(r"`([a-z]+)`", "\n".join(row[0] for row in rows(ROOT / "README.md", "Verbs")))
    assert sorted(named) == sorted(COMMANDS)


def test_the_guide_names_every_annotation():
    from kfrun.validate.rules.extensions import CHOICES, PREFIX

    named = [row[0].strip("`") for row in rows(DOCS / "guide.md", "Annotations")]
    assert named == [PREFIX + key for key in CHOICES]


NAMING_CALLS = {"set_condition", "_fail_with", "fail", "event", "Met", "Unmet", "Denied"}
NAMING_VARIABLES = re.compile(r"(.*\.)?(RECORDER_LOST|NODE_RESTARTED|START_ERROR|reason)\b.*")


def naming(node: ast.AST) -> list[ast.expr]:
    """The expressions of a node that name a reason."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return list(node.args) if name in NAMING_CALLS else []
    if isinstance(node, ast.keyword):
        return [node.value] if node.arg == "reason" else []
    if isinstance(node, ast.Assign):
        return [node.value] if NAMING_VARIABLES.fullmatch(ast.unparse(node.targets[0])) else []
    return []


def reasons() -> set[str]:
    """Every reason of a condition, container or event that the code writes."""
    paths = [*(PACKAGE / "execute").rglob("*.py"), PACKAGE / "observe" / "status.py"]
    values = [value for path in paths for node in ast.walk(ast.parse(path.read_text())) for value in naming(node)]
    texts = {item.value for value in values for item in ast.walk(value) if isinstance(item, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and CAMEL.fullmatch(text)} - {"TrainJob", "JobSet"}


def test_the_status_page_has_every_reason():
    text = (DOCS / "reference" / "status.md").read_text()
    assert len(reasons()) > 25
    assert {reason for reason in reasons() if not re.search(rf"\b{reason}\b", text)} == set()


def modules() -> set[str]:
    """Every module and package by its name below kfrun."""
    names = (path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py"))
    return {".".join(name[:-1] if name[-1] == "__init__" else name) for name in names} - {"", "__main__"}


def test_the_architecture_names_every_module_and_no_other():
    named = re.findall(r"`([a-z_.]+(?:\.\*)?)`", "\n".join(row[0] for row in rows(DOCS / "architecture.md", "Modules")))
    assert len(named) == len(set(named))
    packages = {name.rpartition(".")[0] for name in modules() if "." in name}
    known = modules() | {f"{name}.*" for name in modules()}
    assert set(named) - known == set()
    stars = {name.removesuffix("*") for name in named if name.endswith(".*")}
    missing = {name for name in modules() - packages if name not in named and not name.startswith(tuple(stars))}
    assert missing == set()


# Form


def test_decisions_are_numbered_and_short():
    paths = sorted((DOCS / "decisions").iterdir())
    assert [path.name[:5] for path in paths] == [f"{number:04}-" for number in range(1, len(paths) + 1)]
    for number, path in enumerate(paths, 1):
        lines = path.read_text().splitlines()
        assert lines[0].startswith(f"# {number}. "), path
        assert 10 <= len(lines) <= 30, path
        assert "**Decision.**" in path.read_text(), path


def test_contributing_stays_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


def test_the_changelog_begins_with_what_is_unreleased():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
