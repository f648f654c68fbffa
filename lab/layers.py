# SPDX-License-Identifier: Apache-2.0
"""Makes layer blobs: tar archives of random files, so that compressing leaves the size as it is."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

FILE_BYTES = 4 << 20
ZSTD_BLOCK_BYTES = 128 << 10

Compression = Literal["gzip", "zstd", "none"]

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
MEDIA_TYPES: dict[tuple[Compression, bool], str] = {
    ("gzip", False): OCI_LAYER + "+gzip",
    ("zstd", False): OCI_LAYER + "+zstd",
    ("none", False): OCI_LAYER,
    ("gzip", True): DOCKER_LAYER + ".gzip",
    ("zstd", True): DOCKER_LAYER + ".zstd",
    ("none", True): DOCKER_LAYER,
}


@dataclass(frozen=True)
class LayerSpec:
    """size_bytes of random content; equal seeds and sizes make equal layers.

    A program is packed too, under its own name in bin/.
    """

    size_bytes: int
    seed: str
    compression: Compression = "gzip"
    program: Path | None = None


@dataclass(frozen=True)
class Blob:
    """A file to push. diff_id (digest of the uncompressed tar) is empty for all but layers."""

    media_type: str
    digest: str
    size: int
    diff_id: str
    path: Path
    annotations: tuple[tuple[str, str], ...] = ()  # of its descriptor


class _Hashing(io.RawIOBase):
    """Passes all that is written on, and keeps its digest and length."""

    def __init__(self, target: BinaryIO | gzip.GzipFile) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._target.write(data)
        self._hash.update(data)
        self.length += len(data)
        return len(data)

    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


class _ZstdStored(io.RawIOBase):
    """Writes a zstd frame of raw blocks: valid zstd that a real decoder has to decode.

    https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1
    """

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._pending = bytearray()
        window_descriptor = 7 << 3  # 2^(10+7) = 128 KiB
        target.write(struct.pack("<IBB", 0xFD2FB528, 0, window_descriptor))

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pending += data
        while len(self._pending) > ZSTD_BLOCK_BYTES:
            self._block(self._pending[:ZSTD_BLOCK_BYTES], last=False)
            del self._pending[:ZSTD_BLOCK_BYTES]
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._block(self._pending, last=True)
        super().close()

    def _block(self, content: bytes | bytearray, last: bool) -> None:
        self._target.write(struct.pack("<I", len(content) << 3 | int(last))[:3])
        self._target.write(bytes(content))


def make_layer(folder: Path, spec: LayerSpec, docker_types: bool) -> Blob:
    """Writes the blob into folder, named by its digest."""
    work = folder / "layer.part"
    with work.open("wb") as file:
        blob = _Hashing(file)
        compressed: BinaryIO | gzip.GzipFile
        if spec.compression == "gzip":
            compressed = gzip.GzipFile("", "wb", compresslevel=0, fileobj=blob, mtime=0)
        elif spec.compression == "zstd":
            compressed = _ZstdStored(blob)  # type: ignore[assignment,arg-type]
        else:
            compressed = blob  # type: ignore[assignment]
        tar = _Hashing(compressed)
        write_tar(tar, spec)
        compressed.close()
    path = folder / blob.digest().removeprefix("sha256:")
    work.rename(path)
    media_type = MEDIA_TYPES[spec.compression, docker_types]
    return Blob(media_type, blob.digest(), blob.length, tar.digest(), path)


def write_tar(target: BinaryIO | io.RawIOBase, spec: LayerSpec) -> None:
    source = random.Random(f"{spec.seed} {spec.size_bytes}")
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        if spec.program is not None:
            entry = tarfile.TarInfo(f"bin/{spec.program.name}")
            entry.size = spec.program.stat().st_size
            entry.mode = 0o755
            with spec.program.open("rb") as content:
                tar.addfile(entry, content)
        left = spec.size_bytes
        number = 0
        while True:
            length = min(left, FILE_BYTES)
            entry = tarfile.TarInfo(f"data/{source.getrandbits(32):08x}/{number}.bin")
            entry.size = length
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(source.randbytes(length)))
            left -= length
            number += 1
            if left == 0:
                return
