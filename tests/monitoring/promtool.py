"""Running promtool."""

import subprocess

from hack.prometheus.binaries import Tools


def promtool(tools: Tools, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """Exit code, and everything promtool printed."""
    done = subprocess.run(
        [str(tools.promtool), *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout
