"""Images and names: what can be meant, and what was left to be replaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.messages import TEXT_LIMIT
from controller.api.reasons import Reason
from controller.planning.admission.references import image_problem, is_pinned, name_problem, placeholder_in, same_image

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "image",
    [
        "adapter",
        "team/adapter",
        "registry.example.com/team/adapter:1",
        "localhost:5000/adapter:V1_2",
        "Registry.example.com/adapter",
        f"registry.example.com/adapter@sha256:{HASH}",
        "r.io/a:RELEASE_CANDIDATE",
    ],
)
def test_images(image: str) -> None:
    assert image_problem(image, "f") is None


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("r.io/Team/data:1", 'f "r.io/Team/data:1" is no image reference'),
        ("r.io/a:b:c", "is no image reference"),
        ("r.io/a b", "is no image reference"),
        ("https://r.io/a:1", "is no image reference"),
        ("x" * 513, "at most 512 characters"),
        (HASH, "64 hexadecimal digits are the ID of an image on one machine"),
        ("ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1", 'replace the placeholder "ACR_REPO_HERE"'),
        ("r.io/IMAGE_NAME:1", 'replace the placeholder "IMAGE_NAME"'),
        ("r.io/adapter:TAG_HERE", 'replace the placeholder "TAG_HERE"'),
        ("<your-registry>/adapter:1", 'replace the placeholder "<your-registry>"'),
        ("${REGISTRY}/adapter:1", 'replace the placeholder "${REGISTRY}"'),
        ("{{ .Values.image }}", "replace the placeholder"),
        ("YOUR-registry.azurecr.io/adapter", 'replace the placeholder "YOUR-registry"'),
    ],
)
def test_what_is_no_image_is_told_with_a_way_out(image: str, says: str) -> None:
    problem = image_problem(image, "f")
    assert problem is not None, image
    assert problem.reason is Reason.IMAGE_INVALID
    assert says in problem.text


def test_the_same_image_in_lower_case_is_offered_where_only_that_is_wrong() -> None:
    problem = image_problem("Registry.io/Team/Data:V1", "f")
    assert problem is not None
    assert problem.fixes[0] == 'use "registry.io/team/data:V1"'


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("A", "is no name of a Secret"),
        ("", "is no name of a Secret"),
        ("x" * 254, "1 to 253 characters"),
        ("other/secret", "a Secret is named without its namespace"),
        ("ACR_REGISTRY_SECRET_HERE", 'replace the placeholder "ACR_REGISTRY_SECRET_HERE"'),
    ],
)
def test_what_names_no_object_of_the_namespace(name: str, says: str) -> None:
    problem = name_problem(name, "f", "Secret")
    assert problem is not None
    assert problem.reason is Reason.NAME_INVALID
    assert says in problem.text


def test_names() -> None:
    assert name_problem("registry-key.v2", "f", "Secret") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "docker.io/library/a:latest", True),
        ("team/a:1", "docker.io/team/a:1", True),
        ("R.io/a", "r.io/a:latest", True),
        ("r.io/a:1", "r.io/a:2", False),
        ("r.io/a", "a", False),
        ("localhost/a", "a", False),
        (f"r.io/a:1@sha256:{HASH}", f"r.io/a:2@sha256:{HASH}", True),
        (f"r.io/a@sha256:{HASH}", "r.io/a", False),
        ("localhost:5000/a", "localhost:5000/a:latest", True),
    ],
)
def test_images_are_compared_written_out(one: str, other: str, same: bool) -> None:
    assert same_image(one, other) is same
    assert same_image(other, one) is same


def test_a_digest_pins() -> None:
    assert is_pinned(f"r.io/a@sha256:{HASH}")
    assert not is_pinned("r.io/a:1")


@given(st.text(), st.booleans())
def test_a_placeholder_is_part_of_the_text(text: str, valid: bool) -> None:
    assert placeholder_in(text, valid=valid) in text


@given(st.text())
def test_any_text_gets_an_answer_people_can_read(text: str) -> None:
    for problem in (image_problem(text, "f"), name_problem(text, "f", "Secret")):
        if problem is not None:
            assert len(problem.text) <= TEXT_LIMIT
            assert problem.text.isprintable(), repr(problem.text)
