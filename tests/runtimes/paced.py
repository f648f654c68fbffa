# SPDX-License-Identifier: Apache-2.0
"""Decompresses a layer slowly, as a stream processor of containerd: python3 paced.py BYTES_PER_SECOND

Containerd applies what comes out as it comes, so its extraction lasts as long as on a slow disk, and what is
written into the snapshot grows evenly.
"""

from __future__ import annotations

import gzip
import sys
import time
from pathlib import Path

STEPS_PER_SECOND = 4
PROCESSOR = """
[stream_processors."paced"]
  accepts = ["application/vnd.oci.image.layer.v1.tar+gzip"]
  returns = "application/vnd.oci.image.layer.v1.tar"
  path = "/usr/bin/python3"
  args = ["{program}", "{rate}"]
"""


def processor(bytes_per_second: float) -> str:
    """What containerd's configuration says of it."""
    return PROCESSOR.format(program=Path(__file__).resolve(), rate=int(bytes_per_second))


def main() -> None:
    step_bytes = max(1, int(sys.argv[1]) // STEPS_PER_SECOND)
    with gzip.open(sys.stdin.buffer) as layer:
        while chunk := layer.read(step_bytes):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            time.sleep(1 / STEPS_PER_SECOND)


if __name__ == "__main__":
    main()
