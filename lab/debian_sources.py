# SPDX-License-Identifier: Apache-2.0
"""Where this machine takes Debian's packages from, put for Debian 13 or another release; packages as folders."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

SUITE = "trixie"


class NoSources(Exception):
    """This machine's apt has no source of Debian's archive."""


def output_of(*command: str) -> str:
    """What it prints; nothing when it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def own_codename() -> str:
    release = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)", release, re.M)
    return found[1] if found else ""


def sources_of(targets: str, codename: str, suite: str = SUITE) -> list[str]:
    """The suite's counterparts of the machine's own sources, from `apt-get indextargets`."""
    found = []
    for line in targets.splitlines():
        uri, release, component = line.split()
        own = re.fullmatch(rf"{codename}(-updates|-security)?", release)
        if own and component == "main":
            found.append(f"deb {uri} {suite}{own[1] or ''} main")
    return list(dict.fromkeys(found))


def machine_sources(suite: str = SUITE) -> list[str]:
    wanted = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    targets = output_of("apt-get", "indextargets", "--format", wanted, "Created-By: Packages")
    sources = sources_of(targets, own_codename(), suite)
    if not any(source.endswith(f" {suite} main") for source in sources):
        raise NoSources("apt has no source of Debian's main archive for this machine's release")
    return sources


def private_apt(folder: Path) -> dict[str, str]:
    """An apt that knows Debian 13 only, for amd64 and arm64, with nothing installed; the environment that selects it."""
    for name in ("etc/apt/preferences.d", "state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    sources = machine_sources()
    sources += [source.replace("deb ", "deb-src ", 1) for source in sources]
    (folder / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
    (folder / "apt.conf").write_text(
        f'Dir::Etc "{folder}/etc/apt";\nDir::State "{folder}/state";\nDir::Cache "{folder}/cache";\n'
        f'Dir::State::status "{folder}/status";\nDir::Etc::trustedparts "/usr/share/keyrings";\n'
        'APT::Architecture "amd64";\nAPT::Architectures {"amd64";"arm64";};\n'
        'APT::Install-Recommends "false";\nAPT::Sandbox::User "root";\nAcquire::ForceHash "SHA256";\n'
        'Acquire::Languages "none";\n'
    )
    environment = os.environ | {"APT_CONFIG": str(folder / "apt.conf")}
    done = subprocess.run(
        ["apt-get", "-q", "update"], env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise NoSources(f"apt-get update: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return environment


def unpack_one(package: Path, root: Path) -> None:
    tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    unpacked = subprocess.run(
        ["tar", "-x", "--keep-directory-symlink", "-C", str(root)], stdin=tar.stdout, capture_output=True, text=True
    )
    if tar.wait() != 0 or unpacked.returncode != 0:
        raise NoSources(f"{package.name} cannot be unpacked: {unpacked.stderr[-500:]}")


def make_root(packages: Path, root: Path) -> None:
    """Packages of Debian 13 expect /lib and its like to be links into /usr."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in sorted(packages.glob("*.deb")):
        unpack_one(package, root)
