# SPDX-License-Identifier: Apache-2.0
"""Puts into a folder all that an image holds: collect.py PROGRAM HOST OUT

OUT/program has the program, OUT/libraries the libraries that it needs by its dynamic section and theirs,
Debian's CA certificates, /etc/passwd and the copyright files of the packages that they are of, and
OUT/packages.json says which these are. Needs root's dpkg list of files, but no dpkg.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

CERTIFICATES = Path("/usr/share/ca-certificates/mozilla")
DPKG = Path("/var/lib/dpkg")
ARCHITECTURES = {"x86_64-linux-gnu": "amd64", "aarch64-linux-gnu": "arm64"}
LOADERS = {"amd64": "lib64/ld-linux-x86-64.so.2", "arm64": "lib/ld-linux-aarch64.so.1"}
ACCOUNTS = {
    "passwd": "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "nsswitch.conf": "hosts: files dns\n",
}


def needed(file):
    shown = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", shown)


def closure(program, folder):
    """The libraries' names, with the files that they are."""
    found, wanted = {}, needed(program)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = (folder / name).resolve(strict=True)
            wanted += needed(found[name])
    return found


def owners(architecture):
    """Which package each file is of; files of /lib are in /usr/lib."""
    found = {}
    for listing in sorted((DPKG / "info").glob("*.list")):
        name, _, suffix = listing.stem.partition(":")
        if suffix in ("", architecture):
            for line in listing.read_text().splitlines():
                found[re.sub(r"^/lib", "/usr/lib", line)] = name
    return found


def paragraphs():
    for text in (DPKG / "status").read_text().split("\n\n"):
        yield dict(re.findall(r"^(\S+): (.*)$", text, re.M))


def describe(names, architecture):
    described = []
    for fields in paragraphs():
        if fields.get("Package") in names and fields["Architecture"] in (architecture, "all"):
            source, _, version = fields.get("Source", fields["Package"]).partition(" ")
            described.append({"name": fields["Package"], "version": fields["Version"],
                              "architecture": fields["Architecture"], "source": source,
                              "sourceVersion": version.strip("()") or fields["Version"]})
    return sorted(described, key=lambda package: package["name"])


def install(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if ".so" in target.name or "/bin/" in str(target) else 0o644)


def main():
    program, host, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    architecture = ARCHITECTURES[host]
    libraries = out / "libraries"
    install(program, out / "program/usr/bin" / program.name)
    of_package = owners(architecture)
    names = {"ca-certificates"}
    for name, file in closure(program, Path("/usr/lib") / host).items():
        is_loader = name == Path(LOADERS[architecture]).name
        install(file, libraries / (LOADERS[architecture] if is_loader else f"usr/lib/{host}/{name}"))
        names.add(of_package[str(file)])
    install("/dev/null", libraries / "etc/ssl/certs/ca-certificates.crt")
    (libraries / "etc/ssl/certs/ca-certificates.crt").write_bytes(
        b"".join(file.read_bytes() for file in sorted(CERTIFICATES.glob("*.crt"))))
    for name, text in ACCOUNTS.items():
        (libraries / "etc" / name).write_text(text)
    for name in names:
        install(Path("/usr/share/doc", name, "copyright").resolve(), libraries / "usr/share/doc" / name / "copyright")
    install("LICENSE", out / "program/usr/share/doc/pulltrace/copyright")
    install(f"/build/{architecture}/source/COPYING", out / "program/usr/share/doc/curl/copyright")
    (out / "packages.json").write_text(json.dumps(describe(names, architecture)))


main()
