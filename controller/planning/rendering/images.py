"""The images of the small programs that carry data in and out: pinned, public, and named in this one place."""

from typing import Final

DOWNLOADER: Final = "docker.io/curlimages/curl:8.10.1"
"""curl and a shell: fetches training data."""

PULLER: Final = "mcr.microsoft.com/aks/skopeo:1.14.4-6"
"""skopeo, tar and a shell: fetches images and unpacks them. The image KAITO uses."""

PUSHER: Final = "ghcr.io/oras-project/oras:v1.2.2"
"""oras, tar and a shell: pushes an adapter as an image. The image KAITO uses."""
