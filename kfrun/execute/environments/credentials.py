"""Keeps passwords and tokens of URLs out of keys, logs, errors and stored files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfrun.masking import LOGIN
from kfrun.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

_USERINFO = pattern(rf"{LOGIN}@")


def without_credentials(text: str) -> str:
    """``text`` with the user and password of every URL in it left out."""
    return _USERINFO.sub("", text)


class Scrubber:
    """Hides the credentials of known URLs wherever they turn up, and those of any other URL."""

    def __init__(self, texts: tuple[str, ...], values: Iterable[str] = ()) -> None:
        """``texts`` are URLs or texts that hold some, ``values`` secrets as they are."""
        from urllib.parse import unquote

        secrets = {*values}
        for userinfo in (found[:-1] for text in texts for found in _USERINFO.findall(text)):
            user, _, password = userinfo.partition(":")
            # A lone user is a token; a user beside a password is a name.
            secret = password or user
            secrets |= {secret, unquote(secret)}
        # Very short ones would blot out half of the text, and the URL form is covered below.
        self._secrets = sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """``text`` without anything secret."""
        text = _USERINFO.sub("****@", text)
        for secret in self._secrets:
            text = text.replace(secret, "****")
        return text
