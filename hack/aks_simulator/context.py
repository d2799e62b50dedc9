"""What every rule of the simulator may look at besides the state: settings, scenario, sizes and the instant."""

from dataclasses import dataclass

from hack.aks_simulator.scenario import Scenario, Timing
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one decision, at the instant `now` (seconds since the epoch)."""

    settings: Settings
    scenario: Scenario
    sizes: Sizes
    now: float

    @property
    def timing(self) -> Timing:
        """The scenario's durations at this simulator's speed."""
        return self.scenario.timing.faster(self.settings.speed)

    def holds(self, rule: str) -> bool:
        """Whether a fault caused by this rule still stands."""
        return rule in self.scenario.rule_ids
