"""A system with nothing to do writes nothing."""

import asyncio
import time

from controller.runtime.events import REFRESH_SECONDS
from tests.cluster.harness import eventually
from tests.system import audit
from tests.system.conftest import LONG
from tests.system.harness import PATIENCE_SECONDS, System, workspace

QUIET_SECONDS = 60.0 if LONG else 20.0
SETTLED_SECONDS = REFRESH_SECONDS + 5.0 if LONG else 5.0
"""Without a write for this long the run counts as done; how often an event was repeated may be told later still."""


async def test_when_all_is_done_only_leases_are_renewed(system: System, namespace: str) -> None:
    await system.apply(workspace(namespace, "stays"))
    await system.apply(workspace(namespace, "goes"))
    await system.until_ready(namespace, "stays")
    await system.until_ready(namespace, "goes")
    await system.kubectl("delete", "workspace", "goes", "-n", namespace)

    async def settled() -> str:
        late = audit.writes(system.layout, since=time.time() - SETTLED_SECONDS)
        return f"still writing: {late[-1].text}" if late else ""

    await eventually(settled, PATIENCE_SECONDS)
    begin = time.time()
    await asyncio.sleep(QUIET_SECONDS)

    seen = audit.calls(system.layout, since=begin)
    renewed = {call.name for call in seen if call.resource == "leases" and call.verb == "update"}
    assert renewed == {"kaito-controller", "kaito-provisioner"}, "the log must show at least the Leases' renewals"
    late = {("events", "patch")} if not LONG else set()
    loud = [call.text for call in seen if call.writes and (call.resource, call.verb) not in late]
    print(f"figure: {len(loud)} writes in {QUIET_SECONDS:g} s of steady state, {len(seen)} requests in all")
    assert not loud, f"nothing was to do and there were {len(loud)} writes in {QUIET_SECONDS:g} s: {loud[:10]}"
