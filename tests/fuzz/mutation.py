"""What a stranger, or a tired author, makes of a good AdmissionReview: changes of its structure, then of its bytes."""

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final, TypeAlias

Container: TypeAlias = Any
"""A dict or a list."""

Spot: TypeAlias = tuple[Container, Any]
"""A value in a document: what holds it, and under which key or index."""

SCALARS: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 7.5, -0.0, 1e308, 2**31, 2**63, -(2**63) - 1, 10**30, "", " ", "0", "1", "true",
    "null", "x", "a.b", "A_B", "-", "..", "../../etc", "\u0000", "\u001b[31m", "\u202e", "\ud800", "\U0001f600",
    "é" * 40, "x" * 64, "x" * 254, "Standard_NC6s_v3", "standard_nc24ADS_a100_V4", "Standard_N", "phi-4", "org/model",
    "a/b/c", "kaito.sh/v1", "kaito.sh/v1beta1", "kaito.sh/v1alpha1", "2026-01-01T00:00:00Z", "0.5", "1e999", "NaN",
    "1.0", "http://[::1]/", "http://0x7f.1/", "https://user:pass@example.com/x", "file:///etc/passwd",
    "REPO_HERE/IMAGE:TAG",
    {}, [], [[]], {"": ""}, [None], {"a": {"b": {"c": []}}},
)  # fmt: skip
"""Values nobody expects, and some somebody might."""

KEYS: Final = ("", " ", "a", "kaito.sh/workspace", "kaito.sh/runtime", "kaito.sh/bypass-resource-checks", "x" * 300,
               "name", "key", "operator", "values", "count", "image", "urls", "__proto__", "\ud800")  # fmt: skip

HUGE: Final = (1_000, 20_000, 200_000)
"""Characters of a huge text; a body may have 8 MiB."""

DEEP: Final = (20, 200, 900, 5_000)
MANY: Final = (11, 65, 1_001, 20_000)


def mutate(random: Random, seed: str, pool: Sequence[Any]) -> bytes:
    """A changed AdmissionReview.

    Args:
        random: makes the choices; the same state makes the same review.
        seed: the JSON text of a good one.
        pool: values met in other reviews, to be put where they do not belong.
    """
    review = json.loads(seed)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5))):
        _change(random, review, pool)
    text = json.dumps(review, ensure_ascii=random.random() < 0.5)
    body = text.encode("utf-8", "surrogatepass")
    return _spoil(random, body) if random.random() < 0.15 else body


def values_of(document: Any) -> Iterator[Any]:
    """Every value of a document, containers included."""
    open_ends = [document]
    while open_ends:
        value = open_ends.pop()
        yield value
        if isinstance(value, dict):
            open_ends.extend(value.values())
        elif isinstance(value, list):
            open_ends.extend(value)


def _change(random: Random, review: Container, pool: Sequence[Any]) -> None:
    spot = _spot(random, review)
    if spot is not None:
        holder, key = spot
        random.choice(_CHANGES)(random, holder, key, pool)


def _spot(random: Random, document: Container) -> Spot | None:
    """Any place of the document; nine times of ten one within the judged objects."""
    start = document
    if random.random() < 0.9 and isinstance(document, dict) and isinstance(document.get("request"), dict):
        inner = [document["request"].get(name) for name in ("object", "oldObject")]
        objects = [each for each in inner if isinstance(each, dict) and each]
        start = random.choice(objects) if objects else document
    spots = [spot for holder in values_of(start) for spot in _places(holder)]
    return random.choice(spots) if spots else None


def _places(holder: Any) -> Iterator[Spot]:
    if isinstance(holder, dict):
        yield from ((holder, key) for key in holder)
    elif isinstance(holder, list):
        yield from ((holder, index) for index in range(min(len(holder), 20)))


def _delete(_: Random, holder: Container, key: Any, __: Sequence[Any]) -> None:
    del holder[key]


def _scalar(random: Random, holder: Container, key: Any, _: Sequence[Any]) -> None:
    holder[key] = json.loads(json.dumps(random.choice(SCALARS)))


def _foreign(random: Random, holder: Container, key: Any, pool: Sequence[Any]) -> None:
    holder[key] = json.loads(json.dumps(random.choice(pool)))


def _add(random: Random, holder: Container, _: Any, pool: Sequence[Any]) -> None:
    value = json.loads(json.dumps(random.choice(pool)))
    if isinstance(holder, dict):
        holder[random.choice(KEYS)] = value
    else:
        holder.append(value)


def _misspell(random: Random, holder: Container, key: Any, _: Sequence[Any]) -> None:
    if isinstance(holder, dict) and key:
        at = random.randrange(len(key))
        holder[key[:at] + random.choice("xX-_. ") + key[at + 1 :]] = holder.pop(key)


def _edit(random: Random, holder: Container, key: Any, _: Sequence[Any]) -> None:
    value = holder[key]
    if isinstance(value, str) and value:
        at = random.randrange(len(value))
        holder[key] = value[:at] + chr(random.choice((32, 45, 48, 88, 120, 160, 8232, 0xDC00))) + value[at + 1 :]
    elif isinstance(value, int):
        holder[key] = value + random.choice((-(10**9), -1, 1, 10**9))


def _nest(random: Random, holder: Container, key: Any, _: Sequence[Any]) -> None:
    value: Any = holder[key]
    for _level in range(random.choice(DEEP[:2])):
        value = {"a": value} if random.random() < 0.5 else [value]
    holder[key] = value


def _swell(random: Random, holder: Container, key: Any, _: Sequence[Any]) -> None:
    size = random.choices(HUGE, (50, 8, 1))[0]
    holder[key] = random.choice(("x", "A1-", "\n", "é", "http://a/", "\\")) * size


def _repeat(random: Random, holder: Container, key: Any, _: Sequence[Any]) -> None:
    count = random.choices(MANY, (50, 30, 8, 1))[0]
    value = holder[key]
    if isinstance(value, list) and value:
        holder[key] = (value * count)[:count]
    elif isinstance(value, dict):
        holder[key] = {f"{random.choice(KEYS)}{index}": "x" for index in range(count)}


_CHANGES: Final[tuple[Callable[[Random, Container, Any, Sequence[Any]], None], ...]] = (
    _delete, _scalar, _scalar, _scalar, _foreign, _foreign, _add, _misspell, _edit, _edit, _nest, _swell, _repeat,
)  # fmt: skip


def _spoil(random: Random, body: bytes) -> bytes:
    """Changes after which the bytes may be no JSON, no UTF-8 or no unambiguous document."""
    at = random.randrange(len(body))
    kind = random.randrange(6)
    if kind == 0:
        return body[:at] + bytes((random.randrange(256),)) + body[at + 1 :]
    if kind == 1:
        return body[:at]
    if kind == 2:
        return body[:at] + random.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf")) + body[at:]
    if kind == 3:
        brace = body.find(b'{"', at)
        return body[: brace + 1] + b'"kind":"Twice","kind":"Twice",' + body[brace + 1 :]
    if kind == 4:
        depth = random.choice(DEEP)
        return body.replace(b"null", b"[" * depth + b"]" * depth, 1)
    return body.replace(b":", b":" + random.choice((b"NaN,", b"Infinity,", b"-", b"1e999,", b"0x1,")), 1)
