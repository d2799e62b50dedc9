"""Published images can be pulled from copies; what a user names is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.planning.registries import PUBLISHED, Registries, parse_rewrites, parse_secret_names, qualified

MIRROR = "registry.example.com:5000/copies"
HOSTS = st.sampled_from(["mcr.microsoft.com", "docker.io", "ghcr.io", "localhost:5000"])
PATHS = st.lists(st.sampled_from(["aks", "kaito", "base", "a-b"]), min_size=1, max_size=4).map("/".join)
TAGS = st.sampled_from(["", ":1", ":v1.2.2", f"@sha256:{'0' * 64}", f":1@sha256:{'0' * 64}"])


def rewriting(text: str) -> Registries:
    return Registries(parse_rewrites(text))


@pytest.mark.parametrize(
    ("image", "pulled"),
    [
        ("mcr.microsoft.com/aks/skopeo:1", f"{MIRROR}/aks/skopeo:1"),
        ("mcr.microsoft.com/aks/kaito/kaito-base:0.5.0", "ml.example.com/kaito-base:0.5.0"),
        ("mcr.microsoft.com/aks/kaito-base:1", f"{MIRROR}/aks/kaito-base:1"),
        ("mcr.microsoft.company.io/a:1", "mcr.microsoft.company.io/a:1"),
        ("curlimages/curl:8", "hub.example.com/curlimages/curl:8"),
        ("busybox", "hub.example.com/library/busybox"),
        ("ghcr.io/o/oras:1", "ghcr.io/o/oras:1"),
    ],
)
def test_the_longest_registry_or_folder_that_fits_is_replaced(image: str, pulled: str) -> None:
    found = rewriting(
        f"mcr.microsoft.com={MIRROR}, mcr.microsoft.com/aks/kaito=ml.example.com,docker.io=hub.example.com/"
    )
    assert found.image(image) == pulled


@given(HOSTS, PATHS, TAGS)
def test_path_tag_and_digest_stay_whatever_the_registry(host: str, path: str, tag: str) -> None:
    found = rewriting(f"{host}={MIRROR}").image(f"{host}/{path}{tag}")
    assert found == f"{MIRROR}/{path}{tag}"


@given(HOSTS, PATHS, TAGS)
def test_without_rewrites_every_image_is_the_published_one(host: str, path: str, tag: str) -> None:
    assert PUBLISHED.image(f"{host}/{path}{tag}") == f"{host}/{path}{tag}"
    assert qualified(f"{host}/{path}{tag}") == f"{host}/{path}{tag}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mcr.microsoft.com", "expected FROM=TO"),
        ("=registry.example.com", "is no registry"),
        ("mcr.microsoft.com=", "is no registry"),
        ("mirror=registry.example.com", "is no registry"),
        ("mcr.microsoft.com=https://registry.example.com", "is no registry"),
        ("mcr.microsoft.com/aks:1=registry.example.com", "is no registry"),
        ("ghcr.io=a.example.com,ghcr.io/=b.example.com", "rewritten twice"),
    ],
)
def test_a_wrong_rewrite_is_refused_with_its_cause(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rewrites(text)


def test_names_of_secrets_are_told_apart_by_commas_and_checked() -> None:
    assert parse_secret_names(" one, two,,one") == ("one", "two")
    with pytest.raises(ValueError, match="'No_Name' is no name of a Secret"):
        parse_secret_names("one,No_Name")
