"""Runs one module of the collection in a process of its own: `python run_module.py NAME < arguments.json`."""

from __future__ import annotations

import importlib
import sys

from ansible.module_utils import basic

basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module(f"ansible_collections.mlops.serving.plugins.modules.{sys.argv[1]}").main()
