"""What is to be said of a finding's code beside its meaning. Written in the tables named REASONS; shown by explain."""

from __future__ import annotations

from kfrun.model.values import NamedTuple


class Reason(NamedTuple):
    """The words of one code.

    Attributes:
        why: what a cluster does with it, or what goes wrong because of it.
        mend: what to write instead; the hint of its findings that have none of their own.
        cause: what usually causes it.
        wrong: an example in YAML, empty where none is of use.
        right: the same, mended.
        source: where upstream states the rule; empty where the table of rules says so.
    """

    why: str
    mend: str
    cause: str = ""
    wrong: str = ""
    right: str = ""
    source: str = ""
