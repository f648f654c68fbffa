# SPDX-License-Identifier: Apache-2.0
"""The images of the demonstration: the shapes that a cluster's pulls have, 240 MB in all."""

from __future__ import annotations

from dataclasses import dataclass

from lab.images import Image, ImageMaker
from lab.layers import Compression, LayerSpec

KB = 1000
MB = 1000 * KB


@dataclass(frozen=True)
class Step:
    """Images that are pulled at the same time."""

    images: tuple[Image, ...]
    one_layer_at_a_time: bool = False
    note: str = ""


@dataclass(frozen=True)
class Lane:
    """Steps that follow each other, over and over; their images are deleted after the last one."""

    steps: tuple[Step, ...]
    pause_s: float


def _layers(name: str, *sizes: int, compression: Compression = "gzip") -> list[LayerSpec]:
    return [LayerSpec(size, f"{name} {number}", compression) for number, size in enumerate(sizes)]


def make_lanes(maker: ImageMaker) -> list[Lane]:
    node_base = _layers("node-base", 9 * MB, 3 * MB, 700 * KB)
    java_base = _layers("java-base", 18 * MB, 4 * MB)

    frontend = maker.push(
        "shop/frontend",
        "2.31.0",
        _layers("frontend", *(80 * KB + 97 * KB * (number % 9) for number in range(32))),
    )
    checkout = [
        maker.push("shop/checkout", tag, node_base + _layers(f"checkout {tag}", 5 * MB, 40 * KB))
        for tag in ("1.8.2", "1.8.3")
    ]
    ledger = maker.push("payments/ledger", "5.4.1", java_base + _layers("ledger", 11 * MB, 90 * KB))
    reconciler = maker.push(
        "payments/reconciler", "3.0.7", java_base + _layers("reconciler", 6 * MB, 60 * KB)
    )
    recommender = maker.push(
        "ml/recommender-gpu",
        "2026.11-cuda",
        _layers("recommender", 4 * MB, 110 * MB, 9 * MB, 300 * KB),
    )
    clickstream = maker.push(
        "data/clickstream-etl",
        "0.44.2",
        _layers("clickstream", 7 * MB, 12 * MB, 6 * MB, 2 * MB, 20 * KB, compression="zstd"),
    )
    indexer = maker.push(
        "search/indexer",
        "8.2",
        _layers("indexer", 3 * MB, 8 * MB, 5 * MB),
        docker_types=True,
        platforms=("linux/amd64", "linux/arm64"),
    )
    mailer = maker.push("ops/report-mailer", "0.9.1", _layers("mailer", 4 * MB, 6 * MB, 2 * MB))
    maker.remove_blob(mailer, mailer.layers[-1])

    return [
        Lane((Step((frontend,), note="many small layers"),), pause_s=9),
        Lane((Step((recommender,), note="one huge layer"),), pause_s=6),
        Lane((Step((ledger, reconciler), note="both share layers"),), pause_s=12),
        Lane(
            (
                Step((checkout[0],)),
                Step((checkout[1],), note="most of its layers are here already"),
            ),
            pause_s=8,
        ),
        Lane(
            (
                Step((clickstream,), note="zstd layers"),
                Step((mailer,), True, "fails: the registry has lost its last layer"),
                Step((indexer,), note="an index of two platforms"),
            ),
            pause_s=5,
        ),
    ]
