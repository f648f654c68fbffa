# SPDX-License-Identifier: Apache-2.0
"""Imports a script, whose name has no .py."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from types import ModuleType

from lab.tools import REPOSITORY


def load_script(name: str) -> ModuleType:
    module_name = "scripts_" + name.replace("-", "_")
    loader = importlib.machinery.SourceFileLoader(module_name, str(REPOSITORY / "scripts" / name))
    specification = importlib.util.spec_from_loader(module_name, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module  # dataclasses look themselves up there
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
