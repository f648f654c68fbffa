# SPDX-License-Identifier: Apache-2.0
"""Packs what collect.py gathered: pack.py IN OUT

Writes an OCI archive for each program with an index of both platforms, and an SPDX document for each
platform. An image has two layers: libraries and certificates, which seldom change, and the program. The same
input gives the same bytes: names are sorted, times are SOURCE_DATE_EPOCH, owners are root.
https://github.com/opencontainers/image-spec/blob/main/image-layout.md, https://spdx.github.io/spdx-spec/v2.3/
"""

import gzip
import hashlib
import io
import json
import os
import re
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
CREATED = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
REVISION = Path(".revision").read_text().strip()
VERSION = re.search(r"version: '([^']+)'", Path("meson.build").read_text())[1]
REPOSITORY = "ghcr.io/pulltrace"
USERS = {"pulltrace-agent": "0:0", "pulltrace-server": "65534:65534"}
PORTS = {"pulltrace-agent": [], "pulltrace-server": ["8080/tcp", "9090/tcp"]}
OCI = "application/vnd.oci.image"


def written(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def entry(name, kind, mode, size=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.mtime = kind, mode, size, EPOCH
    return info


def archive(files):
    """A tar of (name, mode, bytes or None for a folder)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, mode, data in files:
            if data is None:
                tar.addfile(entry(name, tarfile.DIRTYPE, mode))
            else:
                tar.addfile(entry(name, tarfile.REGTYPE, mode, len(data)), io.BytesIO(data))
    return buffer.getvalue()


def folder_files(folder):
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        yield (name, 0o755, None) if path.is_dir() else (name, path.stat().st_mode & 0o755, path.read_bytes())


class Layout:
    """The blobs of one archive."""

    def __init__(self):
        self.blobs = {}

    def add(self, data, media_type, **more):
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def write(self, path, index):
        files = [("blobs", 0o755, None), ("blobs/sha256", 0o755, None)]
        files += [(f"blobs/sha256/{digest}", 0o644, self.blobs[digest]) for digest in sorted(self.blobs)]
        files += [("index.json", 0o644, written(index)),
                  ("oci-layout", 0o644, written({"imageLayoutVersion": "1.0.0"}))]
        path.write_bytes(archive(files))


def labels(program):
    return {f"org.opencontainers.image.{name}": value for name, value in {
        "title": program, "version": VERSION, "created": CREATED, "licenses": "Apache-2.0", "vendor": "Pulltrace",
        "revision": REVISION, "source": "https://github.com/pulltrace/pulltrace",
        "description": "Real-time monitor of container image pulls"}.items()}


def add_image(layout, folder, program, architecture):
    layers, diff_ids = [], []
    for part in ("libraries", "program"):
        tar = archive(folder_files(folder / part))
        diff_ids.append("sha256:" + hashlib.sha256(tar).hexdigest())
        layers.append(layout.add(gzip.compress(tar, 9, mtime=0), f"{OCI}.layer.v1.tar+gzip"))
    settings = {"User": USERS[program], "Entrypoint": [f"/usr/bin/{program}"], "WorkingDir": "/", "Env": ["PATH=/usr/bin"],
                "Labels": labels(program)}
    if PORTS[program]:
        settings["ExposedPorts"] = {port: {} for port in PORTS[program]}
    platform = {"os": "linux", "architecture": architecture}
    config = {**platform, "created": CREATED, "config": settings, "rootfs": {"type": "layers", "diff_ids": diff_ids},
              "history": [{"created": CREATED, "comment": text} for text in ("libraries of Debian 13", program)]}
    manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "layers": layers,
                "config": layout.add(written(config), f"{OCI}.config.v1+json"), "annotations": labels(program)}
    descriptor = layout.add(written(manifest), manifest["mediaType"], platform=platform)
    print(f"pack: {program} {architecture}: {sum(layer['size'] for layer in layers) / 1e6:.2f} MB compressed", flush=True)
    return descriptor


def spdx_package(name, version, url, licence="NOASSERTION"):
    return {"SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name), "name": name, "versionInfo": version,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
            "licenseDeclared": licence, "copyrightText": "NOASSERTION", "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}]}


def curl_version():
    name = next(Path("/sources").glob("curl_*.dsc")).name
    return name.removeprefix("curl_").removesuffix(".dsc")


def purl_version(version):
    return version.replace("+", "%2B").replace(":", "%3A")


def write_sbom(path, folder, program, architecture):
    packages = [spdx_package(program, VERSION, f"pkg:github/pulltrace/pulltrace@{VERSION}", "Apache-2.0")]
    curl = curl_version()
    packages.append(spdx_package("curl", curl, f"pkg:deb/debian/curl@{purl_version(curl)}?arch=source&distro=debian-13"))
    for package in json.loads((folder / "packages.json").read_text()):
        url = f"pkg:deb/debian/{package['name']}@{purl_version(package['version'])}"
        packages.append(spdx_package(package["name"], package["version"],
                                     f"{url}?arch={package['architecture']}&distro=debian-13"))
        packages[-1]["sourceInfo"] = f"built from {package['source']} {package['sourceVersion']}"
    files = []
    for part in ("libraries", "program"):
        for name, _, data in folder_files(folder / part):
            if data is not None:
                files.append({"SPDXID": f"SPDXRef-File-{len(files)}", "fileName": f"./{name}", "licenseConcluded": "NOASSERTION",
                              "copyrightText": "NOASSERTION", "checksums": [
                                  {"algorithm": kind.upper(), "checksumValue": hashlib.new(kind, data).hexdigest()}
                                  for kind in ("sha1", "sha256")]})
    root = packages[0]["SPDXID"]
    content = hashlib.sha256(written([packages, files])).hexdigest()
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", root)]
    relations += [(root, "CONTAINS", item["SPDXID"]) for item in packages[1:] + files]
    path.write_text(json.dumps({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"{program}-{VERSION}-{architecture}",
        "documentNamespace": f"https://github.com/pulltrace/pulltrace/spdx/{program}-{architecture}-{content}",
        "creationInfo": {"created": CREATED, "creators": ["Tool: pulltrace-deploy-images"]},
        "packages": packages, "files": files, "relationships": [
            {"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in relations]}, indent=1) + "\n")


def main():
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for program in USERS:
        layout, manifests = Layout(), []
        for architecture in ("amd64", "arm64"):
            folder = source / architecture / program
            if folder.exists():
                manifests.append(add_image(layout, folder, program, architecture))
                write_sbom(out / f"{program}-{VERSION}-{architecture}.spdx.json", folder, program, architecture)
        media_type = f"{OCI}.index.v1+json"
        whole = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests, "annotations": labels(program)}
        names = {"io.containerd.image.name": f"{REPOSITORY}/{program}:{VERSION}", "org.opencontainers.image.ref.name": VERSION}
        index = {"schemaVersion": 2, "mediaType": media_type,
                 "manifests": [layout.add(written(whole), media_type, annotations=names)]}
        layout.write(out / f"{program}-{VERSION}.oci.tar", index)


main()
