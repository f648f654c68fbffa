# SPDX-License-Identifier: Apache-2.0
"""What MkDocs does for this site besides: pages made of files outside of docs/, links to such files, diagrams.

The documents are written for the forge, where `../CONTRIBUTING.md` is a file. Here a link to a file outside of
docs/ leads to the page that is made of it, or else to the forge.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

SITE = Path(__file__).resolve().parent
REPOSITORY = SITE.parent
sys.path.insert(0, str(SITE))

import openapi  # noqa: E402
import programs  # noqa: E402

FORGE = "https://github.com/pulltrace/pulltrace"
MERMAID = REPOSITORY / ".tools/docs/mermaid.min.js"
# Pages that are files elsewhere in the repository.
ELSEWHERE = {
    "changelog.md": "CHANGELOG.md",
    "chart.md": "deploy/helm/pulltrace/README.md",
    "code-of-conduct.md": "CODE_OF_CONDUCT.md",
    "contributing.md": "CONTRIBUTING.md",
    "security-policy.md": "SECURITY.md",
}
# Found last: pages that have each word of the others somewhere. Found first: what most come for.
SEARCH_BOOST = {"api-reference.md": 0.1, "changelog.md": 0.2, "decisions/": 0.3, "performance.md": 0.3, "testing.md": 0.1}
SEARCH_BOOST |= {"installation.md": 2, "security.md": 2, "troubleshooting.md": 2, "configuration.md": 1.5}
PAGE_OF = {source: page for page, source in ELSEWHERE.items()}
LINK = re.compile(r"(\]\(|\bsrc=\"|\bhref=\")([^)\s\"]+)")
CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(REPOSITORY / source)))
    files.append(File.generated(config, "help.md", content=programs.help_page()))
    reference = openapi.page(REPOSITORY / "docs/openapi.json")
    files.append(File.generated(config, "api-reference.md", content=reference))
    files.append(File.generated(config, "assets/site.css", abs_src_path=str(SITE / "site.css")))
    files.append(File.generated(config, "assets/mermaid.min.js", abs_src_path=str(MERMAID)))
    files.append(File.generated(config, "assets/diagrams.js", abs_src_path=str(SITE / "diagrams.js")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    uri = page.file.src_uri
    boosts = [boost for name, boost in SEARCH_BOOST.items() if uri.startswith(name)]
    page.meta["search"] = {"boost": boosts[0] if boosts else 1}
    source = ELSEWHERE.get(uri, f"docs/{uri}")
    parts = CODE.split(markdown)
    parts[::2] = [LINK.sub(lambda m: m[1] + link_from(source, uri, m[2]), part) for part in parts[::2]]
    return "".join(parts)


def link_from(source: str, uri: str, link: str) -> str:
    """The link of a file of the repository, as the page at `uri` must have it."""
    if re.match(r"[a-z]+:|#|/", link):
        return link
    path, _, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    behind = f"#{anchor}" if anchor else ""
    if target in PAGE_OF:
        return posixpath.relpath(PAGE_OF[target], posixpath.dirname(uri) or ".") + behind
    if target.startswith("docs/") and (REPOSITORY / target).is_file():
        return posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(uri) or ".") + behind
    if not (REPOSITORY / target).exists():
        return link  # which MkDocs refuses
    kind = "tree" if (REPOSITORY / target).is_dir() else "blob"
    return f"{FORGE}/{kind}/main/{target}{behind}"


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """The theme would fetch Mermaid from elsewhere; it does not where there is one."""
    if 'class="mermaid"' not in output:
        return output
    base = os.path.relpath(".", page.url or ".")
    scripts = "".join(f'<script src="{base}/assets/{name}.js"></script>' for name in ("mermaid.min", "diagrams"))
    return output.replace("</head>", f"{scripts}</head>", 1)
