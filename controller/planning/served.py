"""What is said of a model server that runs: which it is, why it was chosen, and where it answers."""

from typing import Final

from controller.api.workspace import Runtime, Workspace
from controller.planning.rendering.parts import own_image
from controller.planning.target import Serving, Work

_CHAT: Final = "/chat"
_OPENAI: Final = "OpenAI API under /v1; only Transformers images with the weights inside have /chat"


def served_by(workspace: Workspace, work: Work) -> str:
    """The server, the reason of its choice and its paths; empty for what runs no server of ours."""
    if not isinstance(work, Serving):
        return ""
    choice = work.runtime
    inside = bool(own_image(workspace.preset)) or not work.preset.download
    paths = _CHAT if choice.runtime is Runtime.TRANSFORMERS and inside else _OPENAI
    return f"served by {choice.runtime} ({choice.why}), {paths}"
