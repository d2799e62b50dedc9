"""What a row of the table of faults says."""

from dataclasses import dataclass

from controller.api.conditions import FALSE, Condition
from controller.api.reasons import Reason, needs_people
from controller.api.workspace import ConditionType
from controller.reconcilers.story import severity


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        group: whose matter it is, for the order of the page.
        what: what happens.
        made: how the suite makes it happen.
        condition: the most telling condition; Ready carries the same reason.
        reason: the reason in condition, event and metric.
        shows: words of the message that name the cause.
        heals: what ends it, after which the Workspace goes on by itself.
    """

    group: str
    what: str
    made: str
    condition: ConditionType
    reason: Reason
    shows: str
    heals: str

    @property
    def stalls(self) -> bool:
        """Whether nothing goes on until people act."""
        return needs_people(self.reason)

    @property
    def event_type(self) -> str:
        """`Warning` where something is wrong that is not part of every good start, else `Normal`."""
        return severity(Condition(self.condition, FALSE, self.reason))
