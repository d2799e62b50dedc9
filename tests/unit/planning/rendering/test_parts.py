import re

from hypothesis import given
from hypothesis import strategies as st

from controller.planning.rendering.parts import literal
from tests.unit.planning.rendering.kit import rendered, served, server

CONFIG = "vllm: {served-model-name: $(HF_TOKEN), max-model-len: 1024}"


def expanded(word: str) -> str:
    """What the kubelet makes of a word of a command, where every variable is set to a secret."""
    return re.sub(r"\$(\$|\([^)]*\))", lambda found: "$" if found[1] == "$" else "secret", word)


@given(st.text("$()aA_", max_size=12))
def test_a_users_word_reaches_the_program_as_it_was_written(word: str) -> None:
    assert expanded(literal(word)) == word


def test_no_setting_can_be_made_to_hold_a_secret() -> None:
    command = server(rendered(served("llama-3.1-8b-instruct", config="cm"), CONFIG))["command"]
    assert "--served-model-name=$(HF_TOKEN)" in map(expanded, command)
