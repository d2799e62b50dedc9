"""The token buckets AKS documents for its resource provider.

Source: Microsoft Learn, AKS "Throttling limits on AKS resource provider APIs".
"""

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket's size in requests and its refill in requests per second."""

    burst: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens left in a bucket at an instant (seconds since the epoch)."""

    tokens: float
    at: float


PUT_POOL: Final = Rate(20, 1 / 60)
GET_CLUSTER: Final = Rate(60, 1)
GET_OPERATION: Final = Rate(200, 2)
OTHERS: Final = Rate(60, 1)


def bucket_of(operation: str, pool: str) -> tuple[str, Rate]:
    """Name and rate of the bucket an operation draws from; a pool's PUTs have one of their own."""
    match operation:
        case "put_pool":
            return f"put/{pool.lower()}", PUT_POOL
        case "get_cluster":
            return "get-cluster", GET_CLUSTER
        case "get_operation" | "get_result":
            return "get-operation", GET_OPERATION
        case _:
            return "others", OTHERS


def draw(bucket: Bucket | None, rate: Rate, now: float) -> tuple[Bucket, int]:
    """Take one token. The second value is 0, or the whole seconds to wait when there was none to take."""
    tokens = rate.burst if bucket is None else min(rate.burst, bucket.tokens + (now - bucket.at) * rate.per_second)
    if tokens >= 1:
        return Bucket(tokens - 1, now), 0
    return Bucket(tokens, now), math.ceil((1 - tokens) / rate.per_second)
