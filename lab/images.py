# SPDX-License-Identifier: Apache-2.0
"""Makes images of a wanted shape and pushes them to a registry through its HTTP API."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from lab.layers import Blob, LayerSpec, make_layer

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"


@dataclass(frozen=True)
class Image:
    """An image as pushed. `layers` are those of the platform that a pull on this machine takes."""

    repository: str
    tag: str
    root_digest: str
    manifest_digest: str
    config: Blob
    layers: tuple[Blob, ...]
    platform_digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def layer_bytes(self) -> int:
        return sum(layer.size for layer in self.layers)

    def reference(self, host: str) -> str:
        return f"{host}/{self.repository}:{self.tag}"


class RegistryError(Exception):
    """The registry answered something else than expected."""


class ImageMaker:
    """Keeps the blobs that it made in a folder, so that equal layers are made once."""

    def __init__(self, folder: Path, registry_port: int) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._port = registry_port
        self._layers: dict[tuple[LayerSpec, bool], Blob] = {}
        self._manifest_sizes: dict[str, int] = {}

    def push(
        self,
        repository: str,
        tag: str,
        layers: Sequence[LayerSpec],
        docker_types: bool = False,
        platforms: Sequence[str] = (),
        entrypoint: Sequence[str] = (),
    ) -> Image:
        """Makes and pushes an image. With platforms (as `linux/amd64`), an index over one manifest each:
        the first one holds the layers, the others each a small layer of their own."""
        blobs = tuple(self._layer(repository, spec, docker_types) for spec in layers)
        if not platforms:
            config, digest = self._push_manifest(
                repository, tag, blobs, docker_types, "linux/amd64", entrypoint
            )
            return Image(repository, tag, digest, digest, config, blobs)

        digests: dict[str, str] = {}
        first_config = None
        for number, platform in enumerate(platforms):
            held = blobs
            if number > 0:
                other = LayerSpec(4096, seed=f"{repository} {platform}")
                held = (self._layer(repository, other, docker_types),)
            config, digest = self._push_manifest(
                repository, None, held, docker_types, platform, entrypoint
            )
            first_config = first_config or config
            digests[platform] = digest
        root = self.push_index(repository, tag, digests, docker_types)
        assert first_config is not None
        return Image(repository, tag, root, digests[platforms[0]], first_config, blobs, digests)

    def push_index(
        self,
        repository: str,
        tag: str,
        digests: Mapping[str, str],
        docker_types: bool = False,
        of_indexes: bool = False,
    ) -> str:
        """Pushes an index of what was pushed before, by platform; returns its digest."""
        kind = DOCKER_INDEX if docker_types else OCI_INDEX
        held = DOCKER_MANIFEST if docker_types else OCI_MANIFEST
        entries = []
        for platform, digest in digests.items():
            system, _, architecture = platform.partition("/")
            entries.append(
                {
                    "mediaType": kind if of_indexes else held,
                    "digest": digest,
                    "size": self._manifest_sizes[digest],
                    "platform": {"os": system, "architecture": architecture},
                }
            )
        index = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
        return self._put_manifest(repository, tag, index, kind)

    def push_layers(
        self,
        repository: str,
        tag: str,
        blobs: Sequence[Blob],
        annotations: Mapping[str, str] | None = None,
    ) -> Image:
        """Pushes an image of layers that were made elsewhere; the annotations are its manifest's."""
        for blob in blobs:
            self._put_blob(repository, blob)
        config, digest = self._push_manifest(
            repository, tag, blobs, False, "linux/amd64", (), annotations
        )
        return Image(repository, tag, digest, digest, config, tuple(blobs))

    def push_index_of_layers(self, repository: str, kind: str, blobs: Sequence[Blob]) -> str:
        """Pushes what says more of an image's layers, as a manifest without a tag; returns its digest."""
        config = self._small_blob({}, kind)
        for blob in (config, *blobs):
            self._put_blob(repository, blob)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(config),
            "layers": [descriptor(blob) for blob in blobs],
        }
        return self._put_manifest(repository, None, manifest, OCI_MANIFEST, is_compact=True)

    def push_artifact(
        self, repository: str, tag: str, media_type: str, contents: Sequence[LayerSpec]
    ) -> Image:
        """Pushes what is no container image: blobs of this type, and a config that says nothing."""
        blobs = [self._layer(repository, spec, docker_types=False) for spec in contents]
        layers = tuple(replace(blob, media_type=media_type) for blob in blobs)
        config = self._small_blob({}, OCI_EMPTY)
        self._put_blob(repository, config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": media_type,
            "config": descriptor(config),
            "layers": [descriptor(layer) for layer in layers],
        }
        digest = self._put_manifest(repository, tag, manifest, OCI_MANIFEST)
        return Image(repository, tag, digest, digest, config, layers)

    def manifest_without_config(self, image: Image) -> bytes:
        """Of the same layers; a registry refuses it."""
        layers = [descriptor(layer) for layer in image.layers]
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers}
        return json.dumps(manifest).encode()

    def remove_blob(self, image: Image, blob: Blob) -> None:
        """The registry no longer has this blob of the image: each pull that needs it fails."""
        self._request("DELETE", f"/v2/{image.repository}/blobs/{blob.digest}", (202,))

    def discard_blobs(self) -> None:
        """Frees the disk that the made blobs take beside the registry's copy."""
        self._layers.clear()
        shutil.rmtree(self._folder)
        self._folder.mkdir()

    def _layer(self, repository: str, spec: LayerSpec, docker_types: bool) -> Blob:
        key = (spec, docker_types)
        if key not in self._layers:
            self._layers[key] = make_layer(self._folder, spec, docker_types)
        blob = self._layers[key]
        self._put_blob(repository, blob)
        return blob

    def _push_manifest(
        self,
        repository: str,
        tag: str | None,
        layers: Sequence[Blob],
        docker_types: bool,
        platform: str,
        entrypoint: Sequence[str],
        annotations: Mapping[str, str] | None = None,
    ) -> tuple[Blob, str]:
        system, _, architecture = platform.partition("/")
        config_json = {
            "architecture": architecture,
            "os": system,
            "config": {
                "Labels": {"repository": repository, "tag": tag or platform},
                **({"Entrypoint": list(entrypoint)} if entrypoint else {}),
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created_by": f"layer {number}"} for number in range(len(layers))],
        }
        config = self._small_blob(config_json, DOCKER_CONFIG if docker_types else OCI_CONFIG)
        self._put_blob(repository, config)
        kind = DOCKER_MANIFEST if docker_types else OCI_MANIFEST
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": descriptor(config),
            "layers": [descriptor(layer) for layer in layers],
            **({"annotations": dict(annotations)} if annotations else {}),
        }
        return config, self._put_manifest(repository, tag, manifest, kind)

    def _small_blob(self, content: Mapping[str, Any], media_type: str) -> Blob:
        encoded = json.dumps(content).encode()
        digest = "sha256:" + hashlib.sha256(encoded).hexdigest()
        path = self._folder / digest.removeprefix("sha256:")
        path.write_bytes(encoded)
        return Blob(media_type, digest, len(encoded), "", path)

    def _put_manifest(
        self,
        repository: str,
        tag: str | None,
        manifest: Mapping[str, Any],
        kind: str,
        is_compact: bool = False,
    ) -> str:
        """Compact is what Go's encoder makes of it, so that who decodes it comes to the same bytes."""
        separators = (",", ":") if is_compact else None
        indent = None if is_compact else 1
        encoded = json.dumps(manifest, indent=indent, separators=separators).encode()
        digest = "sha256:" + hashlib.sha256(encoded).hexdigest()
        self._manifest_sizes[digest] = len(encoded)
        name = tag or digest
        self._request(
            "PUT", f"/v2/{repository}/manifests/{name}", (201,), encoded, {"Content-Type": kind}
        )
        return digest

    def _put_blob(self, repository: str, blob: Blob) -> None:
        path = f"/v2/{repository}/blobs/{blob.digest}"
        if self._request("HEAD", path, (200, 404))[0] == 200:
            return
        _, headers = self._request("POST", f"/v2/{repository}/blobs/uploads/", (202,))
        upload = urlsplit(headers["Location"])
        with blob.path.open("rb") as content:
            self._request(
                "PUT",
                f"{upload.path}?{upload.query}&digest={blob.digest}",
                (201,),
                content,
                {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)},
            )

    def _request(
        self,
        method: str,
        path: str,
        expected: Sequence[int],
        body: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status not in expected:
            raise RegistryError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return answer.status, answer.headers


def chain_ids(layers: Sequence[Blob]) -> list[str]:
    """What containerd calls the snapshots of the layers, from the lowest up."""
    chain = [layers[0].diff_id]
    for layer in layers[1:]:
        below = f"{chain[-1]} {layer.diff_id}".encode()
        chain.append("sha256:" + hashlib.sha256(below).hexdigest())
    return chain


def descriptor(blob: Blob) -> dict[str, Any]:
    """As a manifest names it."""
    described = {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
    return described | ({"annotations": dict(blob.annotations)} if blob.annotations else {})
