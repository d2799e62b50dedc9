"""Any sequence of requests, faults and waiting keeps the pools consistent."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controller.api.json import Json
from hack.aks_simulator.answers import Answer, Call, answer, subject_of
from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import RefusalError
from hack.aks_simulator.progress import advance, next_change, report_drained, report_unregistered
from hack.aks_simulator.routes import Target
from hack.aks_simulator.scenario import first_effects
from hack.aks_simulator.storage import first_world
from hack.aks_simulator.values import STABLE_STATES, running_operation
from tests.unit.hack.aks_simulator_kit import START, context, pool_body

NAMES = st.sampled_from(["ws1", "ws2", "WS2", "nodepool1"])
FAULTS: list[Json] = [
    {"hang": True},
    {"match": {"operation": "delete_pool"}, "hang": True},
    {"match": {"operation": ["put_pool", "delete_pool"]}, "fail": {"cause": "AllocationFailed"}},
    {"cancel": {"after_seconds": 1}},
    {"times": 1, "sku_unavailable": "operation"},
]
SETTLING_SECONDS = 10_000.0


class Pools(RuleBasedStateMachine):
    """Random requests against the pure core, with and without Nodes that must be drained."""

    @initialize(attached=st.booleans())
    def start(self, attached: bool) -> None:
        self.attached = attached
        self.now = START
        self.document: Json = {}
        self.refused = 404
        self.world = first_world(self.context(), "seed")

    def context(self) -> Context:
        return context(self.now, self.document, attached=self.attached)

    def request(self, operation: str, name: str, body: Json | None = None) -> Answer | None:
        at = self.context()
        target = Target(operation, at.settings.subscription, at.settings.resource_group, at.settings.cluster, "", name)
        call = Call(target, {"api-version": "2026-08-01"}, body=body)
        self.world = advance(self.world, at)
        effects = first_effects(at.scenario.rules, subject_of(self.world, call), self.world.uses)
        try:
            self.world, given = answer(self.world, at, call, effects)
        except RefusalError as refusal:
            self.refused = refusal.status
            return None
        return given

    @rule(name=NAMES, count=st.integers(0, 3), label=st.sampled_from(["a", "b"]))
    def put(self, name: str, count: int, label: str) -> None:
        known = name.lower() in self.world.pools
        given = self.request(
            "put_pool", name, pool_body(count=count, nodeLabels={label: "x"}, vmSize="Standard_NC6s_v3")
        )
        if given:
            assert given.status == (200 if known else 201)
            assert given.body
            assert given.body["properties"]["provisioningState"] not in STABLE_STATES

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        given = self.request("delete_pool", name)
        assert given is None or given.status in {202, 204}

    @rule(name=NAMES)
    def abort(self, name: str) -> None:
        given = self.request("abort_pool", name)
        assert given is None or given.status == 202

    @rule(name=NAMES, which=st.integers(0, 3))
    def delete_machine(self, name: str, which: int) -> None:
        node = self.context().settings.node_name(name, which)
        self.request("delete_machines", name, {"machineNames": [node]})

    @rule(seconds=st.sampled_from([0.5, 2, 4, 8, 200]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.world = advance(self.world, self.context())

    @rule(rules=st.lists(st.sampled_from(FAULTS), max_size=2, unique_by=str))
    def change_scenario(self, rules: list[Json]) -> None:
        self.document = {"rules": rules}

    @rule()
    def nodes_follow(self) -> None:
        """What the node loop reports: leaving Nodes drained, Nodes of VMs that are gone removed."""
        for pool in self.world.pools.values():
            for vm in pool.vms:
                if vm.gone:
                    self.world = report_unregistered(self.world, pool.name, vm.index)
                elif vm.leaving:
                    self.world = report_drained(self.world, pool.name, vm.index)

    @invariant()
    def refusals_blame_the_request(self) -> None:
        assert 400 <= self.refused < 500

    @invariant()
    def names_are_unique_and_answer(self) -> None:
        for key, pool in self.world.pools.items():
            assert key == pool.name.lower()
        for name in ("ws1", "ws2"):
            assert (self.request("get_pool", name) is not None) == (name in self.world.pools)

    @invariant()
    def machines_are_unique_and_never_reused(self) -> None:
        for pool in self.world.pools.values():
            indices = [vm.index for vm in pool.vms]
            assert len(set(indices)) == len(indices)
            assert all(index < pool.next_index for index in indices)

    @invariant()
    def a_pool_is_busy_exactly_while_an_operation_runs(self) -> None:
        for pool in self.world.pools.values():
            running = running_operation(self.world, pool)
            assert (running is not None and running.finished is None) == (pool.state not in STABLE_STATES)

    @invariant()
    def an_operation_runs_only_on_a_pool_that_knows_it(self) -> None:
        for operation in self.world.operations.values():
            if operation.finished is None:
                assert self.world.pools[operation.pool.lower()].operation == operation.id

    @invariant()
    def a_succeeded_pool_has_as_many_machines_as_it_says(self) -> None:
        for pool in self.world.pools.values():
            if pool.state == "Succeeded":
                assert len(pool.vms) == pool.desired

    @invariant()
    def the_next_change_lies_ahead(self) -> None:
        due = next_change(self.world, self.context())
        assert due is None or due > self.now

    def teardown(self) -> None:
        """With the faults gone and the Nodes following, every operation comes to an end."""
        if not hasattr(self, "world"):
            return
        self.document = {}
        for _ in range(4):
            self.nodes_follow()
            self.wait(SETTLING_SECONDS / 10)
        assert all(operation.finished is not None for operation in self.world.operations.values())
        assert all(pool.state in STABLE_STATES for pool in self.world.pools.values())
        again = advance(self.world, self.context())
        assert again == self.world, "time that does not pass changes nothing"


Pools.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestPools = Pools.TestCase
