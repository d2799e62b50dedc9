"""`python -m tests.fuzz`: the long run."""

import argparse
import sys
import time

from tests.fuzz.run import GROWTH_LIMIT, installations, run


def main() -> int:
    """Exit code 0 when every answer was right and memory stayed; a wrong answer ends with its review."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Mutated AdmissionReviews, in process.")
    parser.add_argument("--count", type=int, default=100_000, help="reviews to judge (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="makes the reviews (default: %(default)s)")
    arguments = parser.parse_args()
    begin = time.monotonic()
    tally = run(arguments.count, arguments.seed, installations())
    print(f"{arguments.count} reviews of seed {arguments.seed} in {time.monotonic() - begin:.0f} s")
    print("answers: " + ", ".join(f"{name} {count}" for name, count in tally.outcomes.most_common()))
    print("reasons: " + ", ".join(f"{name} {count}" for name, count in tally.reasons.most_common()))
    print(f"memory added by the second half: {tally.growth / 2**20:.1f} MiB of {GROWTH_LIMIT / 2**20:.0f} allowed")
    return int(tally.growth > GROWTH_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
