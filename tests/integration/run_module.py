"""Runs one module of the collection in a process of its own: `python run_module.py NAME < arguments.json`."""

from __future__ import annotations

import importlib
import signal
import sys

from ansible.module_utils import basic

# A shell's background jobs, and what they start, ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module(f"ansible_collections.mlops.serving.plugins.modules.{sys.argv[1]}").main()
