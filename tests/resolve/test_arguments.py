"""Words that are added to a job's command line."""

from __future__ import annotations

import pytest

from kfrun.errors import UsageProblem
from kfrun.load import kubeyaml
from kfrun.resolve import arguments, resolver
from kfrun.resolve.runtimes import shipped
from kfrun.resolve.runtimes.catalogue import Catalogue

JOB = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {{name: {name}, namespace: default}}
spec:
  runtimeRef: {{name: {runtime}, kind: ClusterTrainingRuntime}}
{trainer}
"""
RUNTIME = """\
apiVersion: trainer.kubeflow.org/v1alpha1
kind: ClusterTrainingRuntime
metadata: {name: own}
spec:
  mlPolicy: {numNodes: 1}
  template:
    spec:
      replicatedJobs:
        - name: node
          template:
            metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
            spec:
              template:
                spec:
                  containers: [{name: node, image: a, command: [python, train.py, --lr, "1"], args: [--epochs, "5"]}]
"""


def documents(text):
    found, findings = kubeyaml.parse(text, "job.yaml")
    assert findings == []
    return found


def job(trainer="", runtime="plain-python", name="a"):
    return JOB.format(trainer=f"  trainer: {trainer}" if trainer else "", runtime=runtime, name=name)


def applied(text, words):
    read = documents(text)
    catalogue = Catalogue(read, (), shipped.shipped())
    return arguments.applied(read, catalogue, words, "v2.3"), catalogue


def command_line(text, words):
    """Command and args of the container that trains, as the controller makes it."""
    found, catalogue = applied(text, words)
    resolution = resolver.resolve(found[0], catalogue)
    pod = resolution.jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    return pod["containers"][0].get("command", []), pod["containers"][0].get("args", [])


RULE = {
    "appended": ("--lr 0.1", "--epochs 3 data -v", "--lr 0.1 --epochs 3 data -v"),
    "the value behind an option": ("--lr 0.1 --epochs 3", "--lr 0.05", "--lr 0.05 --epochs 3"),
    "the value in an option": ("--lr=0.1 --epochs 3", "--lr=0.05", "--lr=0.05 --epochs 3"),
    "blank for equals sign": ("a --lr=0.1 b", "--lr 0.05", "a --lr 0.05 b"),
    "equals sign for blank": ("a --lr 0.1 b", "--lr=0.05", "a --lr=0.05 b"),
    "a short option": ("-e 3 -v", "-e 5", "-e 5 -v"),
    "one dash and many letters": ("-lr 0.1", "-lr 1", "-lr 1"),
    "a negative number is a value": ("--shift 1 -v", "--shift -0.5", "--shift -0.5 -v"),
    "in the place of a negative number": ("--shift -.5 -v", "--shift 3", "--shift 3 -v"),
    "a switch that is there": ("--verbose data.csv", "--verbose", "--verbose data.csv"),
    "a switch that is not": ("--lr 0.1", "--verbose", "--lr 0.1 --verbose"),
    "a word behind a value is one of its own": ("--lr 0.1 data.csv", "--lr 1", "--lr 1 data.csv"),
    "several values": ("--sizes 1 2 3 --lr 1", "--sizes 4 5", "--sizes 4 5 --lr 1"),
    "an option that stands twice": ("--a 1 --b 2 --a 3", "--a 4", "--a 4 --b 2"),
    "an option that is given twice": ("--a 1 --b 2", "--a 3 --a 4", "--a 3 --a 4 --b 2"),
    "Hydra": ("model.dim=1 +opt=adam ~x", "model.dim=2 ++opt=sgd", "model.dim=2 ++opt=sgd ~x"),
    "a word that is no name": ("a=1 1=2 =3", "1=4 =5", "a=1 1=2 =3 1=4 =5"),
    "options that only begin alike": ("--lr-max 1 --lr 2", "--lr 3", "--lr-max 1 --lr 3"),
    "an empty value": ("--name a", "--name=", "--name="),
    "two dashes": ("--lr 1 --", "x", "--lr 1 -- x"),
}


@pytest.mark.parametrize(("stored", "added", "expected"), RULE.values(), ids=RULE)
def test_what_is_there_gives_way_and_the_rest_is_appended(stored, added, expected):
    text = job(f"{{command: [python, train.py], args: {stored.split()}}}")
    assert command_line(text, added.split()) == (["python", "train.py"], expected.split())


COMMANDS = {
    "behind a script": ("python train.py --lr 1", "python train.py --lr 2", ""),
    "not of the interpreter": ("python -u train.py", "python -u train.py", "-u"),
    "not of a launcher": ("torchrun --lr 7 train.py", "torchrun --lr 7 train.py", "--lr 2"),
    "a module": ("python -m pkg.train --lr=1", "python -m pkg.train --lr 2", ""),
    "a program": ("./train --lr 1 -v", "./train --lr 2 -v", ""),
    "only an interpreter": ("python -u", "python -u", "-u"),
}


@pytest.mark.parametrize(("command", "expected", "args"), COMMANDS.values(), ids=COMMANDS)
def test_options_in_a_command_give_way_too_where_they_are_the_scripts(command, expected, args):
    words = args.split() or ["--lr", "2"]
    found = command_line(job(f"{{command: {command.split()}}}"), words)
    assert found == (expected.split(), args.split())


def test_what_stands_in_both_stands_in_one():
    text = job("{command: [python, train.py, --lr, '1'], args: [--lr, '2']}")
    assert command_line(text, ["--lr", "3"]) == (["python", "train.py"], ["--lr", "3"])


@pytest.mark.parametrize("trainer", ["", "{numNodes: 1}"])
def test_what_the_runtime_says_stays_and_gives_way_like_the_jobs_own(trainer):
    text = job(trainer, "own") + "---\n" + RUNTIME
    command, args = command_line(text, ["-v"])
    assert (command, args) == (["python", "train.py", "--lr", "1"], ["--epochs", "5", "-v"])
    assert command_line(text, ["--epochs", "9"]) == (["python", "train.py", "--lr", "1"], ["--epochs", "9"])
    assert command_line(text, ["--lr", "2"]) == (["python", "train.py", "--lr", "2"], ["--epochs", "5"])


def test_an_empty_list_of_the_job_clears_the_runtimes():
    text = job("{args: []}", "own") + "---\n" + RUNTIME
    assert command_line(text, ["-v"])[1] == ["-v"]


@pytest.mark.parametrize("text", ["python train.py", "exec python train.py; echo $x"])
@pytest.mark.parametrize("shell", ["sh, -c", "/bin/bash, -ec", "bash, -x, -c"])
def test_a_shell_with_a_text_gets_no_arguments(shell, text):
    with pytest.raises(UsageProblem, match=r"a text for (ba)?sh, which gets no further arguments"):
        applied(job(f"{{command: [{shell}, {text!r}]}}"), ["x"])


def test_a_shell_whose_text_asks_for_arguments_gets_them():
    text = job("""{command: [bash, -c, 'python train.py "$@"', bash]}""")
    assert command_line(text, ["--lr", "2"])[1] == ["--lr", "2"]


@pytest.mark.parametrize("count", [0, 2])
def test_arguments_are_for_one_job(count):
    text = "---\n".join([RUNTIME, *(job(name=f"job{number}") for number in range(count))])
    with pytest.raises(UsageProblem, match=f"the input has {count}"):
        applied(text, ["x"])


@pytest.mark.parametrize("trainer", ["7", "[]", "{command: python}", "{args: [1]}", "{args: {a: b}}"])
def test_what_is_no_command_line_is_left_to_those_who_check_it(trainer):
    text = job(trainer)
    assert [one.data for one in applied(text, ["x"])[0]] == [one.data for one in documents(text)]


def test_a_finding_about_them_names_the_flag():
    found, _ = applied(job("{command: [a]}"), ["x"])
    assert str(found[0].positions.value(("spec", "trainer", "args", 0))) == "--arg"
    assert found[0].positions.value(("spec", "trainer", "command")).line == 6
