from __future__ import annotations

from pathlib import Path

import pytest

from kfrun.__main__ import main
from tests.cli.manifests import JOB, MISSING_RUNTIME, RUNTIME
from tests.cli.verbs.test_plan import record, store  # noqa: F401  (a fixture)


@pytest.fixture
def diff(no_home, capsys):
    def run(*arguments, text=None, code=0):
        if text is not None:
            Path("job.yaml").write_text(text)
        assert main(["diff", "-f", "job.yaml", *arguments]) == code
        return capsys.readouterr().out

    return run


ENV = JOB + "    env:\n    - {name: A, value: '1'}\n    - {name: B, value: '2'}\n"


def test_what_is_stored_is_the_same(diff, store):  # noqa: F811
    record(store, JOB)
    assert diff() == ""


def test_the_order_of_keys_and_what_is_a_default_are_no_difference(diff, store):  # noqa: F811
    record(store, JOB)
    text = JOB.replace("    name: plain-python\n", "    kind: ClusterTrainingRuntime\n    name: plain-python\n")
    assert diff(text=text) == ""


def test_a_changed_field_is_one_hunk(diff, store):  # noqa: F811
    record(store, JOB)
    assert diff(text=JOB.replace("train.py", "other.py"), code=1) == (
        "--- trainjob.trainer.kubeflow.org/mnist (stored)\n"
        "+++ trainjob.trainer.kubeflow.org/mnist (job.yaml)\n"
        "@@ spec.trainer.command[1] @@\n"
        '-"train.py"\n'
        '+"other.py"\n'
    )


def test_lists_are_aligned_by_their_keys(diff, store):  # noqa: F811
    record(store, ENV)
    text = JOB + "    env:\n    - {name: NEW, value: x}\n    - {name: A, value: '1'}\n    - {name: B, value: '3'}\n"
    shown = diff(text=text, code=1).splitlines()[2:]
    assert shown == [
        "@@ spec.trainer.env[B].value @@", '-"2"', '+"3"',
        "@@ spec.trainer.env[NEW] @@", "+name: NEW", "+value: x",
    ]  # fmt: skip


def test_suspend_is_shown(diff, store):  # noqa: F811
    record(store, JOB)
    shown = diff(text=JOB.replace("spec:\n", "spec:\n  suspend: true\n", 1), code=1)
    assert shown.endswith("@@ spec.suspend @@\n-false\n+true\n")


def test_what_is_not_stored_is_new_and_no_store_is_made(diff, no_home):
    shown = diff(text=JOB, code=1)
    assert shown.startswith("--- /dev/null\n+++ trainjob.trainer.kubeflow.org/mnist (job.yaml)\n")
    assert "+  command:" in shown or "+trainer:" in shown
    assert not no_home.exists()


def test_runtimes_are_compared_too(diff, store):  # noqa: F811
    record(store, RUNTIME)
    assert diff(text=RUNTIME) == ""
    assert "trainingruntime.trainer.kubeflow.org/mine" in diff(text=RUNTIME.replace("-u, ", ""), code=1)


def test_secrets_are_masked_unless_asked_for(diff, store):  # noqa: F811
    secret = ENV.replace("name: A, value: '1'", "name: HF_TOKEN, value: hunter2")
    record(store, secret)
    changed = secret.replace("hunter2", "hunter3")
    shown = diff(text=changed, code=1)
    assert "hunter" not in shown
    assert "-(sensitive) (before)\n+(sensitive) (after)\n" in shown
    shown = diff("--show-secrets", text=changed, code=1)
    assert '-"hunter2"\n+"hunter3"\n' in shown


def test_a_new_secret_is_masked_too(diff, no_home):
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2}\n"
    assert "hunter" not in diff(text=text, code=1)
    assert "hunter2" in diff("--show-secrets", text=text, code=1)


def test_texts_of_several_lines_are_compared_line_by_line(diff, store):  # noqa: F811
    text = JOB.replace("[python, train.py]", '[sh, -c, "a\\nb\\nc\\n"]')
    record(store, text)
    shown = diff(text=text.replace("b\\n", "x\\n"), code=1)
    assert shown.endswith("@@ spec.trainer.command[2] @@\n a\n-b\n+x\n c\n \n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-f", "job.yaml"],
        ["-f", "nowhere.yaml"],
        [],
        ["-f", "job.yaml", "--no-such-flag"],
        ["-f", "job.yaml", "--set", "nonsense"],
        ["-f", "job.yaml", "too", "much"],
    ],
)
def test_every_error_is_code_3(arguments, no_home, capsys):
    Path("job.yaml").write_text(MISSING_RUNTIME)
    assert main(["diff", *arguments]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "error" in shown.err
    assert "Traceback" not in shown.err


def test_help_is_no_error(no_home, capsys):
    assert main(["diff", "--help"]) == 0
    assert "Exit code 0" in capsys.readouterr().out


def test_templates_are_rendered(diff, store):  # noqa: F811
    record(store, JOB)
    text = JOB.replace("train.py", "{{ script }}")
    assert diff("--set", "script=train.py", text=text) == ""
    assert '+"other.py"' in diff("--set", "script=other.py", text=text, code=1)


@pytest.mark.parametrize("verb", ["validate", "render", "plan"])
def test_the_verbs_that_read_manifests_render_templates(verb, no_home, capsys):
    Path("values.yaml").write_text("script: train.py\n")
    Path("job.yaml.j2").write_text(JOB.replace("train.py", "{{ script }}").replace("mnist", "{{ name }}"))
    arguments = [verb, "-f", "job.yaml.j2", "--values", "values.yaml"]
    assert main([*arguments, "--set", "name=given"]) == 0
    assert "given" in capsys.readouterr().out
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert "job.yaml.j2:4:12: error KF121" in shown.out + shown.err
    assert main([*arguments, "--set", "nonsense"]) == 2


def test_a_finding_of_a_later_stage_points_at_the_template(no_home, capsys):
    text = "{% set unused = 1 %}\n" + JOB.replace("  trainer:", "  trainer:\n    numNodes: {{ nodes }}")
    Path("job.yaml.j2").write_text(text)
    assert main(["validate", "-f", "job.yaml.j2", "--set", "nodes=many"]) == 1
    shown = capsys.readouterr().out
    line = text.split("\n").index("    numNodes: {{ nodes }}") + 1
    assert f"job.yaml.j2:{line}:15: error" in shown
    assert "numNodes: {{ nodes }}" in shown
