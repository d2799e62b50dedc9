"""The grammars of Kubernetes names, labels and images, and the nearest known name to a misspelt one.

Sources: kubernetes/apimachinery `pkg/util/validation`, distribution/reference.
"""

import difflib
import re
from collections.abc import Iterable
from typing import Final

LABEL_LENGTH: Final = 63
SUBDOMAIN_LENGTH: Final = 253
IMAGE_LENGTH: Final = 512

LABEL_PATTERN: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
"""A DNS-1123 label, as an expression both Python and CEL read."""

SUBDOMAIN_PATTERN: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:[.][a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
"""A DNS-1123 subdomain, likewise."""

IMAGE_PATTERN: Final = (
    r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,128})?"
)
"""An image reference whatever its length, likewise."""

_COMPARED_LENGTH: Final = 100
_MIN_BEGINNING: Final = 4
_LETTER_FIRST: Final = "ws-"
_DNS_LABEL: Final = re.compile(LABEL_PATTERN, re.ASCII)
_SUBDOMAIN: Final = re.compile(SUBDOMAIN_PATTERN, re.ASCII)
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
_IMAGE: Final = re.compile(IMAGE_PATTERN, re.ASCII)


def is_dns_label(text: str) -> bool:
    """Whether the text is a DNS-1123 label, as names of Services are.

    Before Kubernetes 1.36 Services take only those that begin with a letter, DNS-1035 labels.
    """
    return len(text) <= LABEL_LENGTH and _DNS_LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether the text is a DNS-1123 subdomain, as object names are."""
    return len(text) <= SUBDOMAIN_LENGTH and _SUBDOMAIN.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Whether the text can be the key of a label: a name, with or without a DNS prefix."""
    prefix, slash, name = text.rpartition("/")
    return _is_qualified(name) and (not slash or is_subdomain(prefix))


def is_label_value(text: str) -> bool:
    """Whether the text can be the value of a label; the empty text can."""
    return not text or _is_qualified(text)


def is_image(text: str) -> bool:
    """Whether the text is a container image reference; registry, tag and digest may be missing."""
    return len(text) <= IMAGE_LENGTH and _IMAGE.fullmatch(text) is not None


def as_dns_label(text: str) -> str:
    """A DNS-1035 label close to the text, for a proposal; `workspace` when nothing of it can be kept."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", text[: 4 * LABEL_LENGTH].lower(), flags=re.ASCII).strip("-")
    begun = f"{_LETTER_FIRST}{cleaned}" if cleaned[:1].isdigit() else cleaned
    return begun[:LABEL_LENGTH].strip("-") or "workspace"


def nearest(name: str, known: Iterable[str], *, limit: int, cutoff: float = 0.6) -> list[str]:
    """The known names most like a misspelt or cut off one, best first, letter case ignored."""
    spellings = {candidate.lower(): candidate for candidate in known}
    wanted = name.strip().lower()[:_COMPARED_LENGTH]
    begun = sorted((each for each in spellings if len(wanted) >= _MIN_BEGINNING and each.startswith(wanted)), key=len)
    like = difflib.get_close_matches(wanted, spellings, n=limit, cutoff=cutoff)
    return [spellings[match] for match in dict.fromkeys((*begun, *like))][:limit]


def _is_qualified(name: str) -> bool:
    return len(name) <= LABEL_LENGTH and _QUALIFIED.fullmatch(name) is not None
