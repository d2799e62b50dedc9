"""Every refusal has its series before the first one is given."""

from importlib import import_module

from prometheus_client import generate_latest

from controller.planning.admission.validation import RULES
from controller.runtime.metrics import REGISTRY


def test_the_first_refusal_for_a_reason_is_an_increase() -> None:
    import_module("webhook.counters")
    scrape = generate_latest(REGISTRY).decode()
    for reason in {reason for rule in RULES for reason in rule.reasons}:
        for operation in ("CREATE", "UPDATE"):
            series = f'kaito_admission_verdicts_total{{operation="{operation}",reason="{reason}",verdict="refused"}}'
            assert f"{series} " in scrape, f"{series} appears with the first refusal only"
