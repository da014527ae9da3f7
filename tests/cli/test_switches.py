from __future__ import annotations

import click
import pytest

from kfrun.cli import main, switches

TRUE = ("1", "t", "T", "TRUE", "true", "True")
FALSE = ("0", "f", "F", "FALSE", "false", "False")


@click.command("try", cls=switches.Verb)
@click.option("-w", "--watch", is_flag=True)
@click.option("-A", "--all", "everything", is_flag=True)
@click.option("--strict", is_flag=True, default=None)
@click.option("--no-cache", "cache", is_flag=True, flag_value=False, default=True)
@click.option("--wait/--no-wait", default=True)
@click.option("-n", "--name")
@click.option("-c", "--count", type=int, multiple=True)
@click.argument("rest", nargs=-1)
def command(**found: object) -> None:
    raise Parsed(found)


class Parsed(Exception):
    """What a command line came to."""


def parse(*arguments: str) -> dict[str, object]:
    with pytest.raises(Parsed) as caught, command.make_context("try", list(arguments)) as context:
        command.invoke(context)
    found: dict[str, object] = caught.value.args[0]
    return found


@pytest.mark.parametrize(
    ("flag", "name"),
    [("--watch", "watch"), ("-w", "watch"), ("--all", "everything"), ("--strict", "strict"), ("--wait", "wait")],
)
def test_a_switch_takes_what_go_takes_for_true_and_false(flag: str, name: str) -> None:
    assert [parse(f"{flag}={value}")[name] for value in TRUE] == [True] * 6
    assert [parse(f"{flag}={value}")[name] for value in FALSE] == [False] * 6


def test_a_switch_that_says_no_means_the_opposite_of_what_it_is_set_to() -> None:
    assert (parse("--no-cache=true")["cache"], parse("--no-cache=false")["cache"]) == (False, True)
    assert (parse("--no-wait=true")["wait"], parse("--no-wait=false")["wait"]) == (False, True)
    assert (parse("--no-cache")["cache"], parse("--no-wait")["wait"]) == (False, False)


def test_the_last_of_several_counts() -> None:
    assert parse("--watch", "--watch=false")["watch"] is False
    assert parse("--watch=false", "-w")["watch"] is True
    assert parse("--wait=false", "--wait")["wait"] is True
    assert parse("--no-cache", "--no-cache=0")["cache"] is True


def test_false_is_something_else_than_nothing() -> None:
    assert parse()["strict"] is None
    assert parse("--strict=false")["strict"] is False


def test_letters_may_stand_together() -> None:
    found = parse("-Aw=false", "-wA=1", "x")
    assert (found["everything"], found["watch"], found["rest"]) == (True, True, ("x",))
    assert parse("-Aw=false")["watch"] is False


@pytest.mark.parametrize(
    ("arguments", "name", "rest"),
    [
        (["-n", "--watch=false"], "--watch=false", ()),
        (["--name", "-w=false"], "-w=false", ()),
        (["-wn", "--watch=false"], "--watch=false", ()),
        (["-n=watch=false"], "=watch=false", ()),
        (["-nw=false"], "w=false", ()),
        (["--name=--watch=false"], "--watch=false", ()),
        (["--", "--watch=false", "-w=x"], None, ("--watch=false", "-w=x")),
        (["a=b", "-n", "x", "c=d"], "x", ("a=b", "c=d")),
        (["-n", "x", "-", "="], "x", ("-", "=")),
    ],
)
def test_what_is_the_value_of_something_else_is_left_alone(
    arguments: list[str], name: str | None, rest: object
) -> None:
    found = parse(*arguments)
    assert (found["name"], found["rest"]) == (name, rest)
    assert found["watch"] is (arguments[0] == "-wn")


@pytest.mark.parametrize("value", ["", "yes", "no", "maybe", "tRUE", "2", " true"])
@pytest.mark.parametrize("flag", ["--watch", "-w", "-Aw", "--wait", "--no-wait"])
def test_another_value_is_wrong_usage(flag: str, value: str) -> None:
    with pytest.raises(click.UsageError, match="takes true or false") as caught:
        command.make_context("try", [f"{flag}={value}"])
    assert f'"{value}"' in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("arguments", [["--count=false"], ["--nothing=false"], ["-x=false"], ["-Ax=false"]])
def test_what_is_no_switch_is_refused_as_ever(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError) as caught:
        command.make_context("try", arguments)
    assert "switch" not in str(caught.value)


def test_a_misspelt_switch_is_told_with_near_ones_and_nothing_else() -> None:
    with pytest.raises(click.UsageError) as caught:
        command.make_context("try", ["--wacth"])
    assert caught.value.format_message().isascii()
    assert "--watch" in caught.value.format_message()


def commands(found: click.Command) -> list[click.Command]:
    """A command and those below it."""
    below = found.commands.values() if isinstance(found, click.Group) else ()
    return [found, *(inner for one in below for inner in commands(one))]


@pytest.mark.parametrize("verb", main.COMMANDS)
def test_the_switches_of_every_verb_take_both_values(verb: str) -> None:
    found = main.cli.get_command(click.Context(main.cli), verb)
    assert found is not None
    for one in commands(found):
        assert isinstance(one, switches.Verb)
        context = click.Context(one, info_name=one.name)
        for param in one.get_params(context):
            if not (isinstance(param, click.Option) and param.is_bool_flag and "--help" not in param.opts):
                continue
            for spelling in (*param.opts, *param.secondary_opts):
                values = []
                for value in ("true", "false"):
                    parsed = one.make_context(one.name, [f"{spelling}={value}"], resilient_parsing=True)
                    values.append(parsed.params[str(param.name)])
                assert set(values) == {True, False}


def test_the_help_shows_each_switch_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["get", "--help"]) == 0
    shown = capsys.readouterr().out
    assert max(shown) < "\U000f0000"
    assert "  -w, --watch  " in shown
    assert main.run(["get", "--help=true"]) == 0
    assert capsys.readouterr().out == shown


def test_a_shell_completes_behind_a_switch_with_a_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ("kfrun get --watch=false --all", "kfrun get --watch=maybe --all", "kfrun get -w= --all"):
        monkeypatch.setenv("_KFRUN_COMPLETE", words)
        assert main.run([]) == 0
        assert capsys.readouterr().out.split("\t")[:2] == ["plain", "--all-namespaces"]


def test_words_of_kubectl_mean_the_same(no_home: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["get", "trainjobs", "-A=true", "--no-headers=true", "-w=false", "--ignore-not-found=true"]) == 0
    capsys.readouterr()
    assert main.run(["get", "trainjob", "absent", "--ignore-not-found=false"]) == 1
    assert main.run(["get", "trainjobs", "--no-headers=perhaps"]) == 2
    assert "--no-headers is a switch: it takes true or false" in capsys.readouterr().err
    assert main.run(["--help=true"]) == 0
    assert main.run(["env", "prune", "--dry-run=true"]) == 0
