"""A small program on the runtime: each ConfigMap labelled `sample=yes` gets the annotation `seen-by`, by the leader.

Started by test_program in processes of its own, with the options every program has.
"""

import argparse
import asyncio
import contextlib
from collections.abc import Callable
from typing import NoReturn

from controller.api.json import Key, annotations_of, key_of, labels_of
from controller.api.resources import CONFIG_MAPS
from controller.runtime import logs
from controller.runtime.cache import Informer
from controller.runtime.options import CommonOptions, add_common_options, boolean, option
from controller.runtime.program import Program, run_program
from controller.runtime.reconciler import DONE, Controller, Result

NAME = "kaito-sample"


async def ignore_the_end() -> NoReturn:
    """Work as it should not be: no cancellation ends it."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


async def run(options: CommonOptions, *, stubborn: bool) -> int:
    async with Program(NAME, options) as program:
        maps = program.informer(Informer(program.client, CONFIG_MAPS, namespace=options.namespace))

        async def reconcile(key: Key) -> Result:
            found = maps.get(key[1], key[0])
            if found is None or labels_of(found).get("sample") != "yes" or "seen-by" in annotations_of(found):
                return DONE
            patch = {"metadata": {"annotations": {"seen-by": options.identity}}}
            await program.client.merge(CONFIG_MAPS, key[1], patch, namespace=key[0])
            program.recorder.event(found, type="Normal", reason="Seen", note=f"seen by {options.identity}")
            return DONE

        controller: Controller[Key] = Controller(NAME, reconcile)

        def connect(take: Callable[[Key], None]) -> None:
            maps.on_change(lambda old, new: take(key_of(new or old or {})))

        program.lead("maps", lambda: controller.lead(connect))
        if stubborn:
            program.lead("stubborn", ignore_the_end)
        return await program.run()


def main() -> None:
    parser = argparse.ArgumentParser(NAME)
    add_common_options(parser)
    option(parser, "--stubborn", parse=boolean, default=False, help="Also run work that ignores its end")
    args = parser.parse_args()
    options = CommonOptions.from_args(parser, args)
    logs.configure(options.log_format, options.log_level)
    run_program(lambda: run(options, stubborn=args.stubborn))


if __name__ == "__main__":
    main()
