"""Whether an object in the cluster already is what we want, so that an unchanged object costs no request."""

from typing import Any, Final

_LIST_KEYS: Final = ("name", "containerPort", "port", "mountPath", "uid")
"""Fields that identify an entry of a list, tried in this order; lists without one are compared entry by entry."""

_WHOLE: Final = frozenset({"selector", "nodeSelector", "nodeSelectorTerms", "args", "paused"})
"""Fields of which nothing is anybody else's, as one added entry keeps pods from running or clients from reaching them.

Server-side apply writes each of them whole. Of an empty one nothing is stored.
"""


def covers(live: Any, wanted: Any) -> bool:
    """Whether everything in `wanted` stands in `live`.

    The API server adds defaults and other writers add fields of their own; neither is a difference. Entries of keyed
    lists may stand in any order among entries of others. Fields that are stated whole hold nothing else.
    """
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_covers_field(live, key, wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(live, list) and _covers_list(live, wanted)
    return bool(live == wanted)


def _covers_field(live: dict[str, Any], key: str, wanted: Any) -> bool:
    if key in _WHOLE:
        return bool((live.get(key) or None) == (wanted or None))
    return key in live and covers(live[key], wanted)


def _covers_list(live: list[Any], wanted: list[Any]) -> bool:
    key = next((key for key in _LIST_KEYS if wanted and all(isinstance(e, dict) and key in e for e in wanted)), None)
    if key is None:
        return len(live) == len(wanted) and all(map(covers, live, wanted))
    by_key = {entry[key]: entry for entry in live if isinstance(entry, dict) and key in entry}
    return all(entry[key] in by_key and covers(by_key[entry[key]], entry) for entry in wanted)
