"""Asks for the events about objects that nothing else explains."""

from dataclasses import replace
from typing import Final

from controller.api.resources import EVENTS
from controller.api.workspace import Workspace
from controller.planning.containers import Trouble
from controller.planning.hints import Question, answer, questions, recheck
from controller.planning.observed import Observed
from controller.reconcilers.context import Context
from controller.runtime import logs
from controller.runtime.errors import ApiError
from controller.runtime.reconciler import Result

log = logs.get_logger(__name__)

AGAIN: Final = Result(requeue_after=4.0)
"""Events are not watched: whoever depends on them is looked at again."""


async def listen(context: Context, workspace: Workspace, observed: Observed) -> tuple[Observed, Result]:
    """What is observed with what events say of objects that nothing else explains, and when to ask again.

    That is one request for each of at most two objects, and none in the good case or once a cause is known otherwise.
    Without an answer the wait is told without its cause.
    """
    asked = questions(observed)
    found: dict[str, Trouble] = {}
    for question in asked:
        trouble = await _ask(context, workspace, question)
        if trouble is not None:
            found[question.uid] = trouble
    return replace(observed, reports=found), AGAIN if asked else Result(requeue_after=recheck(observed))


async def _ask(context: Context, workspace: Workspace, question: Question) -> Trouble | None:
    fields = f"regarding.uid={question.uid},type=Warning"
    try:
        events = await context.client.list(EVENTS, namespace=workspace.namespace, fields=fields)
    except ApiError as error:
        log.info("cannot read the events about %s %s: %s", question.kind, question.name, error)
        return None
    return answer(question, events.items)
