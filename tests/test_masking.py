from __future__ import annotations

import pytest

from kfrun import masking


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "api-key",
        "WANDB_API_KEY",
        "KEY",
        "SSH_KEY",
        "clientSecret",
        "AUTH",
    ],
)
def test_names_of_secrets_are_recognised(name):
    assert masking.is_secret_name(name)


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (None, False),
        ("plain", False),
        ("***", False),
        (masking.MASK, True),
        (masking.words(["--token=x"])[0], True),
        (masking.text("see https://me:x@example.com/"), True),
        (masking.text("see https://example.com/"), False),
    ],
)
def test_what_was_hidden_is_known(value, masked):
    assert masking.is_masked(value) is masked


@pytest.mark.parametrize("name", ["TOKENIZERS_PARALLELISM", "MAX_TOKENS", "KEYBOARD", "LR", "AUTHOR", "num_tokens"])
def test_names_that_only_look_like_secrets_stay_visible(name):
    assert not masking.is_secret_name(name)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["train.py", "--token", "abc"], ["train.py", "--token", "(sensitive)"]),
        (["train.py", "--hf-token=abc"], ["train.py", "--hf-token=(sensitive)"]),
        (["train.py", "--api-key", "--verbose"], ["train.py", "--api-key", "--verbose"]),
        (["sh", "-c", "HF_TOKEN=abc python x.py"], ["sh", "-c", "HF_TOKEN=(sensitive) python x.py"]),
        (
            ["sh", "-c", "curl -H 'Authorization: Bearer abc'"],
            ["sh", "-c", "curl -H 'Authorization: Bearer (sensitive)"],
        ),
        (["sh", "-c", "train --password 'a b' --lr 1"], ["sh", "-c", "train --password (sensitive) --lr 1"]),
        (["sh", "-c", "TOKEN=$HF_TOKEN train"], ["sh", "-c", "TOKEN=$HF_TOKEN train"]),
        (["pip", "--index", "https://u:p@host/simple"], ["pip", "--index", "https://***@host/simple"]),
        (["train.py", "--max-tokens", "4096"], ["train.py", "--max-tokens", "4096"]),
        (["echo", "the secret of training"], ["echo", "the secret of training"]),
    ],
)
def test_command_lines_lose_their_secrets_only(command, shown):
    assert masking.words(command) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://me:p@ss:word@example.com/x", "https://***@example.com/x"),
        ("https://example.com/x?a=b&api_key=abc#top", "https://example.com/x?a=b&api_key=(sensitive)#top"),
        (
            "git+https://tok@example.com/a https://u:p@example.com",
            "git+https://***@example.com/a https://***@example.com",
        ),
        ("see https://example.com/a@b", "see https://example.com/a@b"),
    ],
)
def test_urls_lose_their_logins_and_tokens(value, shown):
    assert masking.text(value) == shown
    assert masking.script(value) == shown


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ('{"api_key": "abc", "lr": 1}', '{"api_key": (sensitive), "lr": 1}'),
        ("export HF_TOKEN=abc; run --lr 1", "export HF_TOKEN=(sensitive) run --lr 1"),
        ("A=B HF_TOKEN=abc C=D", "A=B HF_TOKEN=(sensitive) C=D"),
        ("curl -H 'Authorization: Basic YWJj'", "curl -H 'Authorization: Basic (sensitive)"),
        ("Basic training", "Basic training"),
    ],
)
def test_scripts_lose_what_they_assign_to_secret_names(script, shown):
    assert masking.script(script) == shown


OBJECT = {
    "kind": "TrainJob",
    "metadata": {
        "name": "a",
        "annotations": {
            "kfrun.dev/pip-index-urls": "https://u:HUNTER@example.com/simple",
            "kubectl.kubernetes.io/last-applied-configuration": "HUNTER",
            "team/api-key": "HUNTER",
            "note": "export TOKEN=HUNTER",
        },
        "labels": {"access-key": "HUNTER", "app": "x"},
    },
    "spec": {
        "trainer": {
            "command": ["sh", "-c", "true", "--api-key", "HUNTER", "--password"],
            "args": ["HUNTER", "--lr", "1"],
            "env": [
                {"name": "HF_TOKEN", "value": "HUNTER"},
                {"name": "URL", "value": "https://u:HUNTER@example.com"},
                {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "token", "key": "key"}}},
            ],
        },
        "list": [{"command": ["run", "--token=HUNTER"]}, ["--secret", "HUNTER"]],
    },
}


def test_an_object_keeps_its_shape_and_loses_its_secrets():
    shown = masking.data(OBJECT)
    assert "HUNTER" not in str(shown)
    assert str(OBJECT).count("HUNTER") > 10
    assert shown["metadata"]["labels"]["app"] == "x"
    assert shown["spec"]["trainer"]["args"][1:] == ["--lr", "1"]
    assert shown["spec"]["trainer"]["env"][2] == OBJECT["spec"]["trainer"]["env"][2]
    assert masking.data({"kind": "Secret", "data": {"a": "x"}, "stringData": "x"}) == {
        "kind": "Secret", "data": {"a": masking.MASK}, "stringData": masking.MASK,
    }  # fmt: skip
    assert masking.data({"kind": "ConfigMap", "data": {"password": "x", "a": "y"}})["data"] == {
        "password": masking.MASK, "a": "y",
    }  # fmt: skip
