# SPDX-License-Identifier: Apache-2.0
"""A program's manual page, made of its --help: the same words, in the sections of man(7)."""

from __future__ import annotations

import re
import textwrap

from programs import SETTING

SHORT = {
    "pulltrace-agent": "watch the image pulls of a node's containerd",
    "pulltrace-server": "show every image pull of a cluster, live",
}
OPTIONS = {
    "--watch": "Draw live progress on the terminal instead of writing a log and reporting.",
    "--check": "Say what is found of all that is needed, and what to do, and end.",
    "--ready": "Say whether the agent that runs reaches containerd and the server, and end.",
    "--make-secrets": "Make or renew certificate, CAs and token in Secrets of Kubernetes, and end.",
    "--help": "Print how it is used, with all settings, and end. Also -h.",
    "--version": "Print the version and end. Also -V.",
}
EXAMPLES = {
    "pulltrace-agent": [
        ("Progress bars of this machine's pulls, ctr's and nerdctl's too:", "PULLTRACE_CONTAINERD_NAMESPACES='*' pulltrace-agent --watch"),
        ("Report to a server:", "PULLTRACE_SERVER_URL=http://127.0.0.1:8080 pulltrace-agent"),
    ],
    "pulltrace-server": [
        ("Page and API on this machine only:", "PULLTRACE_HTTP_ADDR=127.0.0.1:8080 pulltrace-server"),
    ],
}


def escaped(text: str) -> str:
    """On lines of a page's width, none of which is taken for a request."""
    lines = textwrap.wrap(text.replace("\\", "\\e").replace("-", "\\-"), 79, break_on_hyphens=False)
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)


def options_of(help_text: str) -> list[str]:
    return re.findall(r"--[a-z-]+", help_text.partition("\n\n")[0])


def manual(program: str, help_text: str, version: str, date: str) -> str:
    usage, *paragraphs = help_text.rstrip("\n").split("\n\n")
    options = options_of(help_text)
    page = [
        ".\\\" Made of --help by site/generate.py.",
        f'.TH {program.upper()} 8 "{date}" "Pulltrace {version}" "Pulltrace"',
        ".SH NAME",
        f"{program} \\- {escaped(SHORT[program])}",
        ".SH SYNOPSIS",
        f".B {program}",
        *" |\n".join(f"[ \\fB{escaped(o)}\\fR" if o == options[0] else f"\\fB{escaped(o)}\\fR" for o in options).split("\n"),
        "]",
        ".SH DESCRIPTION",
    ]
    status = ""
    section = "DESCRIPTION"
    for paragraph in paragraphs:
        if SETTING.match(paragraph):
            if section == "DESCRIPTION":
                page.append(".SH ENVIRONMENT")
            section = "ENVIRONMENT"
            page += settings(paragraph)
            continue
        words, _, tail = paragraph.partition("Exit status:")
        status = tail or status
        if section == "ENVIRONMENT" and not words.startswith("With "):
            page.append(".SH NOTES")
            section = "NOTES"
        elif page[-1] != ".SH DESCRIPTION":
            page.append(".PP")
        page.append(escaped(" ".join(words.split())))
    page.append(".SH OPTIONS")
    for option in options:
        page += [".TP", f".B {escaped(option)}", escaped(OPTIONS[option])]
    page += [".SH EXIT STATUS", escaped(" ".join(status.split()))]
    page.append(".SH EXAMPLES")
    for words, command in EXAMPLES[program]:
        page += [escaped(words), ".PP", ".nf", ".RS", escaped(command), ".RE", ".fi", ".PP"]
    page.pop()
    others = ", ".join(f".BR {other} (8)" for other in sorted(SHORT) if other != program)
    page += [".SH SEE ALSO", others, ".PP", "https://github.com/pulltrace/pulltrace"]
    return "\n".join(page) + "\n"


def settings(paragraph: str) -> list[str]:
    lines: list[str] = []
    for name, words in SETTING.findall(paragraph):
        lines += [".TP", f".B {name}", escaped(words)]
    return lines
