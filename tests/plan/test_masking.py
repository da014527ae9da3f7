from __future__ import annotations

import pytest

from kfrun.plan import masking


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
