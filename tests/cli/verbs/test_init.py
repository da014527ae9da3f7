"""``kfrun init``: manifests with comments for scripts, and the examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.conftest import Kfrun

ARGPARSE = """\
import argparse, sys

def arguments():
    parser = argparse.ArgumentParser()
    group = parser.add_argument_group("training")
    group.add_argument("-e", "--epochs", type=int, default=3, help="how often (%(default)s)\\n# again")
    group.add_argument("--lr", default=1e-3, type=float)
    group.add_argument("--amp", action="store_true")
    group.add_argument("--shuffle", action=argparse.BooleanOptionalAction, default=True)
    group.add_argument("--layers", nargs="+", type=int, default=[64, 32])
    group.add_argument("--optimizer", choices=("sgd", "adam"), default="adam")
    group.add_argument("--seed", type=int, default=sys.maxsize)
    group.add_argument("--note", default="a b: c")
    group.add_argument("--out")
    group.add_argument("--version", action="version", version="1")
    parser.add_argument("data", nargs="?", default="data")
    return parser.parse_args()

print(vars(arguments()))
"""
CLICK = """\
import click

@click.command()
@click.option("--lr", default=0.1, help="rate")
@click.option("--amp/--no-amp", default=True)
def train(lr, amp): ...
"""


def uncommented(text: str) -> str:
    """A manifest in which every line of arguments was switched on."""
    before, mark, after = text.partition("    # args:\n")
    assert mark
    return before + "    args:\n" + "".join(f"    {line.strip()[2:]}\n" for line in after.splitlines())


def test_a_manifest_says_of_each_field_what_it_is_and_is_what_run_would_make(kfrun: Kfrun) -> None:
    kfrun.write("train.py", ARGPARSE)
    kfrun.write("requirements.txt", "# nothing yet\n")
    done = kfrun("init", "train.py")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "job.yaml: the manifest of train.py, as trainjob work\nnext: kfrun run -f job.yaml\n"
    text = (kfrun.folder / "job.yaml").read_text()
    lines = text.splitlines()
    for field in ("  name: work", "    kfrun.dev/requirements: requirements.txt", "    name: plain-python",
                  "    numNodes: 1", "    command: [python, train.py]", "    # args:"):  # fmt: skip
        assert lines[lines.index(field) - 1].lstrip().startswith("# "), field
    assert "is valid" in kfrun.ok("validate", "job.yaml")
    kfrun.ok("run", "-q", "-f", "job.yaml")
    done = kfrun("run", "train.py")
    assert "changed since" not in done.stderr


def test_the_options_of_argparse_are_arguments_with_their_defaults(kfrun: Kfrun) -> None:
    kfrun.write("train.py", ARGPARSE)
    text = kfrun.ok("init", "--stdout")
    assert "    #   - --epochs=3  # int: how often (3) # again\n" in text
    assert "    #   - --optimizer=adam  # one of 'sgd', 'adam'\n" in text
    assert "    #   - --seed=SEED  # int, default sys.maxsize\n" in text
    assert "--version" not in text
    args = yaml.safe_load(uncommented(text))["spec"]["trainer"]["args"]
    assert args == ["--epochs=3", "--lr=0.001", "--amp", "--no-shuffle", "--layers", "64", "32", "--optimizer=adam",
                    "--seed=SEED", "--note=a b: c", "--out=OUT", "data"]  # fmt: skip
    kfrun.write("job.yaml", uncommented(text).replace("--seed=SEED", "--seed=1"))
    shown = kfrun.ok("run", "-q", "job.yaml")
    assert "'epochs': 3, 'lr': 0.001, 'amp': True, 'shuffle': False, 'layers': [64, 32]" in shown


def test_options_that_another_module_of_the_folder_declares_are_found(kfrun: Kfrun) -> None:
    kfrun.write("train.py", "import torch\nfrom config import arguments\n")
    kfrun.write("config.py", ARGPARSE)
    assert "    #   - --epochs=3  # int: how often" in kfrun("init", "--stdout").stdout


def test_what_a_script_cannot_do_without_is_told(kfrun: Kfrun) -> None:
    kfrun.write(
        "train.py",
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('data')\n"
        "p.add_argument('--out', required=True)\n",
    )
    done = kfrun("init")
    assert "train.py wants DATA, --out: fill in args first" in done.stderr.replace("data,", "DATA,")
    assert "--out=OUT  # required" in (kfrun.folder / "job.yaml").read_text()
    assert "wants" not in kfrun("init", "--force", "train.py", "x", "--out", "y").stderr
    assert yaml.safe_load((kfrun.folder / "job.yaml").read_text())["spec"]["trainer"]["args"] == ["x", "--out", "y"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CLICK, ["- --lr=0.1  # rate", "- --no-amp"]),
        ("import typer\ndef main(lr: float = 0.1): ...\n", ["reads its arguments by typer"]),
        ("import fire\n", ["reads its arguments by fire"]),
        ("import hydra\n@hydra.main(config_path='c')\ndef f(cfg): ...\n", ["by hydra: words as lr=0.1"]),
        ("from absl import flags\nflags.DEFINE_float('lr', 0.1, '')\n", ["reads its arguments by absl"]),
        ("import sys\n", ["Arguments of train.py, each in quotes"]),
        ("import argparse\np.add_argument(*names)\np.add_argument(name)\n", ["reads its arguments by argparse"]),
    ],
)  # fmt: skip
def test_arguments_that_another_library_reads_are_not_made_up(kfrun: Kfrun, text: str, said: list[str]) -> None:
    kfrun.write("train.py", text)
    written = kfrun.ok("init", "--stdout", "train.py")
    for one in said:
        assert one in written
    assert (yaml.safe_load(written)["spec"]["trainer"]).keys() == {"numNodes", "command"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["train.py", "main.py", "helper.py"], "train.py"),
        (["main.py", "helper.py"], "main.py"),
        (["finetune.py", "setup.py", "test_x.py", "__init__.py", "conftest.py"], "finetune.py"),
        (["a.py", "b.py"], "there are several scripts: a.py, b.py"),
        ([], "there is no Python script in this folder"),
    ],
)
def test_without_a_script_it_is_the_likely_one_of_the_folder(kfrun: Kfrun, files: list[str], found: str) -> None:
    for name in files:
        kfrun.write(name, "")
    done = kfrun("init")
    assert done.returncode == (0 if found.endswith(".py") and " " not in found else 2)
    assert found in done.stderr


def test_files_that_are_there_stay_unless_they_may_go(kfrun: Kfrun) -> None:
    kfrun.write("train.py", "")
    kfrun.write("job.yaml", "mine\n")
    done = kfrun("init")
    assert done.returncode == 2
    assert "job.yaml is there already" in done.stderr
    assert "--force writes over it" in done.stderr
    assert (kfrun.folder / "job.yaml").read_text() == "mine\n"
    kfrun.ok("init", "--force")
    kfrun.ok("init")  # the same again is no loss
    assert kfrun.ok("init", "-o", "-") == kfrun.ok("init", "--stdout") == (kfrun.folder / "job.yaml").read_text()
    (kfrun.folder / "k8s").mkdir()
    kfrun.ok("init", "-o", "k8s/my job.yaml")
    assert yaml.safe_load((kfrun.folder / "k8s" / "my job.yaml").read_text())["metadata"]["annotations"] == {
        "kfrun.dev/source": ".."
    }
    kfrun.ok("run", "-q", "k8s/my job.yaml")
    assert "is a manifest already" in kfrun("init", "job.yaml").stderr


def test_the_examples_are_listed_and_copied_with_what_they_need(kfrun: Kfrun) -> None:
    listed = kfrun.ok("init", "--example")
    assert listed == kfrun.ok("init", "--list-examples")
    names = [line.split()[0] for line in listed.splitlines()]
    assert {"deepspeed", "failing", "jax", "mpi", "quickstart", "torch-ddp", "torch-elastic", "xgboost"} <= set(names)
    done = kfrun("init", "--example", "failing")
    assert "next: kfrun run -f failing/job.yaml" in done.stderr
    assert {path.name for path in (kfrun.folder / "failing").iterdir()} == {"README.md", "job.yaml", "train.py"}
    assert kfrun("run", "-q", "failing/job.yaml").returncode == 3
    kfrun.ok("init", "--example", "failing")  # the same again is no loss
    kfrun.write("failing/job.yaml", "mine\n")
    assert "failing/job.yaml is there already" in kfrun("init", "--example", "failing").stderr
    kfrun.ok("init", "--example", "quickstart", "here")
    assert (kfrun.folder / "here" / "train.py").exists()
    kfrun.ok("init", "--example", "quickstart", ".")
    assert "did you mean failing?" in kfrun("init", "--example", "failling").stderr
    assert "is no folder" in kfrun("init", "--example", "failing", "train.py").stderr
    assert "there are 2" in kfrun("init", "--example", "failing", "a", "b").stderr
    for name in names:
        assert kfrun("init", "--force", "--example", name, f"all/{name}").returncode == 0
        kfrun.ok("validate", f"all/{name}/job.yaml")


def test_the_options_of_a_script_are_completed_behind_it(kfrun: Kfrun) -> None:
    kfrun.write("train.py", ARGPARSE)
    for line in ("kfrun run --nodes 2 train.py --e", "kfrun run -m train --e"):
        assert [one.split("\t")[1] for one in kfrun.ok(_KFRUN_COMPLETE=line).splitlines()] == ["--epochs"]
    assert "--nodes" in kfrun.ok(_KFRUN_COMPLETE="kfrun run --n")
    kfrun.write("train.py", "def (")
    assert kfrun.ok(_KFRUN_COMPLETE="kfrun run train.py --e").strip() == ""


def test_the_names_of_the_examples_are_completed(kfrun: Kfrun) -> None:
    shown = kfrun.ok(_KFRUN_COMPLETE="kfrun init --example q")
    assert shown.split("\t")[1] == "quickstart"


def test_the_options_of_a_command_below_a_script_are_told_to_stand_behind_it(kfrun: Kfrun) -> None:
    kfrun.write(
        "train.py",
        "import argparse\np = argparse.ArgumentParser()\nfit = p.add_subparsers().add_parser('fit')\n"
        "fit.add_argument('--depth', required=True, type=int)\n",
    )
    done = kfrun("init", "--stdout")
    assert "- --depth=DEPTH  # behind fit: int, required" in done.stdout
