"""What a JobSet does when one of its Jobs has failed: its failurePolicy (JobSet v0.12). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kfrun.model.values import NamedTuple
from kfrun.plan.support import messagepatterns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kfrun.model.runstate import Condition, JobState

    Node = dict[str, Any]

_ALL = "RestartJobSet"


class Decision(NamedTuple):
    """What is done.

    Attributes:
        action: as the API names it; ``Fail`` where there is no policy, ``Exhausted`` where no restart is left.
        job: the failed Job that the decision is about.
        rule: name of the rule that decided, empty for none.
    """

    action: str
    job: JobState
    rule: str = ""

    @property
    def is_restart(self) -> bool:
        """Something is started anew."""
        return self.action.startswith("Restart")

    @property
    def is_of_all(self) -> bool:
        """All Jobs are, not only the one that failed."""
        return self.action.startswith(_ALL)

    @property
    def counts(self) -> bool:
        """It is one of the restarts that maxRestarts limits."""
        return not self.action.endswith("IgnoreMaxRestarts")

    @property
    def reason(self) -> str:
        """The reason that events and a failed JobSet have of it."""
        names = {"Fail": "FailedJobs", "Exhausted": "ReachedMaxRestarts"}
        return names.get(self.action, f"{self.action}FailurePolicyAction")

    @property
    def message(self) -> str:
        """What is said of it."""
        said = {
            "Fail": "jobset failed due to one or more job failures",
            "Exhausted": "jobset failed due to reaching max number of restarts",
        }
        text = said.get(self.action, f"applying {self.action} failure policy action")
        return f"{text} (first failed job: {self.job.name})"


def decide(policy: Node | None, failed: Sequence[JobState], restarts: int) -> Decision:
    """What to do about these failed Jobs, after so many restarts that count."""
    if policy is None:
        return Decision("Fail", _first(failed))
    found = _matching(policy.get("rules", ()), failed) or Decision(_ALL, _first(failed))
    if found.is_restart and found.counts and restarts >= policy.get("maxRestarts", 0):
        return Decision("Exhausted", found.job, found.rule)
    return found


def _matching(rules: Sequence[Node], failed: Sequence[JobState]) -> Decision | None:
    """Of the first rule that fits any of the Jobs."""
    for number, rule in enumerate(rules):
        fitting = [job for job in failed if _fits(rule, job)]
        if fitting:
            return Decision(rule["action"], _first(fitting), rule.get("name") or f"failurePolicyRule{number}")
    return None


def _fits(rule: Node, job: JobState) -> bool:
    condition = _failure(job)
    reasons, targets = rule.get("onJobFailureReasons"), rule.get("targetReplicatedJobs")
    patterns = rule.get("onJobFailureMessagePatterns")
    return (
        (not reasons or condition.reason in reasons)
        and (not targets or job.replicated_job in targets)
        and (not patterns or any(messagepatterns.is_found(pattern, condition.message) for pattern in patterns))
    )


def _first(failed: Sequence[JobState]) -> JobState:
    return min(failed, key=lambda job: _failure(job).since)


def _failure(job: JobState) -> Condition:
    condition = job.condition("Failed")
    assert condition is not None
    return condition
