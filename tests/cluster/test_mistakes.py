"""docs/mistakes.md shows what kubectl prints now."""

from hack.docs.mistakes import Terminal
from hack.docs.mistakes_page import MISTAKES, PAGE, mistakes_page
from tests.cluster.webhook_kit import Webhook


async def test_the_page_of_mistakes_is_current(webhook: Webhook) -> None:
    page = await mistakes_page(Terminal(webhook.cluster.kubeconfig))
    assert PAGE.read_text(encoding="utf-8") == page, "run python -m hack.docs.mistakes"


def test_there_are_ten_of_them() -> None:
    assert len(MISTAKES) == 10
