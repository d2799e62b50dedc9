"""A simulated AKS that keeps account of what was made and removed, and of what should not have been."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from controller.api.json import Json
from hack.aks_simulator.answers import Answer, Call
from hack.aks_simulator.faults import Effects
from hack.aks_simulator.scenario import parse_scenario
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.simulator import Simulator
from hack.aks_simulator.sizes import Sizes

SYSTEM_POOL = "nodepool1"
PATIENT: Final[Json] = {"timing": {"drain_timeout_seconds": 86400}}
"""A machine with more to do than it can drains slowly; a removal that fails for that would have to be repeated."""


@dataclass(slots=True)
class Account:
    """What was accepted for one pool name.

    Attributes:
        good: pools made that the cloud did not doom to fail.
        late: those of the good ones whose request was carried out when the claim was no longer to live.
        doomed: pools made that the cloud did doom.
        removals: pools removed.
        wrongs: what should never happen.
    """

    good: int = 0
    late: int = 0
    doomed: int = 0
    removals: int = 0
    wrongs: list[str] = field(default_factory=list)


class AccountingSimulator(Simulator):
    """A simulator that writes down every pool it agrees to make or remove, whether or not the reply is heard.

    Args:
        settings, sizes: as for every simulator.
        wanted: whether the claim of that name is to live.
    """

    def __init__(self, settings: Settings, sizes: Sizes, wanted: Callable[[str], bool]) -> None:
        super().__init__(settings, sizes, parse_scenario(PATIENT))
        self._wanted = wanted
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self.under_way = 0

    def replace_scenario(self, document: Any) -> None:
        """Makes a document the live scenario, whose drains take as long as they need."""
        super().replace_scenario({**PATIENT, **document})

    def arrive(self, call: Call) -> Effects:
        """The scenario's rules for a request, which is under way from now on."""
        self.under_way += 1
        return super().arrive(call)

    def count(self, operation: str, pool: str, outcome: str) -> None:
        """Records how a request ended."""
        self.under_way -= 1
        super().count(operation, pool, outcome)

    def execute(self, call: Call, effects: Effects, authorization: str) -> Answer:
        """Carries out a request and writes it down."""
        name, operation = call.target.pool, call.target.operation
        self.advance()
        before = self.state(name)
        answer = super().execute(call, effects, authorization)
        account = self.accounts[name]
        if operation == "put_pool" and answer.status == 201:
            doomed = self.world.operations[answer.operation].fate != "Succeeded"
            account.doomed, account.good = account.doomed + doomed, account.good + (not doomed)
            account.late += not (doomed or self._wanted(name))
        elif operation == "put_pool":
            account.wrongs.append(f"a PUT changed the pool while it was {before}")
        elif operation == "delete_pool" and answer.operation and before != "Deleting":
            account.removals += self.world.operations[answer.operation].fate == "Succeeded"
        if operation in ("delete_pool", "abort_pool") and before in ("Creating", "Succeeded") and self._wanted(name):
            account.wrongs.append(f"{operation} of a pool in state {before} whose claim was to live")
        return answer

    def state(self, name: str) -> str:
        """The pool's provisioning state; empty when there is none."""
        pool = self.world.pools.get(name)
        return pool.state if pool else ""

    def pools(self) -> set[str]:
        """Names of all pools but the system pool."""
        return {pool.name for pool in self.advance().pools.values()} - {SYSTEM_POOL}
