# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that judge a candidate."""

from __future__ import annotations

from .argspec import Options, env

__all__ = ("EVIDENCE", "ROLLOUT")

EVIDENCE: Options = {
    "gates": {"type": "list", "elements": "dict"},
    "alpha": {"type": "float", "default": 0.01},
    "interval": {"type": "str", "default": "1s"},
    "evidence": {"type": "str", "choices": ["auto", "pods", "prometheus"], "default": "auto"},
    "prometheus_url": {"type": "str", "fallback": env("PROMETHEUS_URL")},
    "prometheus_token": {"type": "str", "no_log": True, "fallback": env("PROMETHEUS_TOKEN")},
    "prometheus_username": {"type": "str", "fallback": env("PROMETHEUS_USERNAME")},
    "prometheus_password": {"type": "str", "no_log": True, "fallback": env("PROMETHEUS_PASSWORD")},
    "prometheus_ca_cert": {"type": "path"},
    "prometheus_validate_certs": {"type": "bool", "default": True},
}

ROLLOUT: Options = {
    "endpoint": {"type": "str", "required": True},
    "tenant_id": {"type": "str"},
    "project_id": {"type": "str"},
    "action": {
        "type": "str",
        "choices": ["run", "start", "advance", "pause", "resume", "promote", "abort", "rollback"],
        "default": "run",
    },
    "model_version": {"type": "str", "aliases": ["version"]},
    "strategy": {"type": "str", "choices": ["canary", "ab", "blue_green"], "default": "canary"},
    "steps": {"type": "list", "elements": "str"},
    "split": {"type": "int"},
    "duration": {"type": "str"},
    "winner": {"type": "str", "choices": ["evidence", "ask", "stable"]},
    "watch": {"type": "str"},
    "until": {"type": "str"},
    "approvals": {"type": "list", "elements": "str"},
    "min_requests": {"type": "int", "default": 300},
    "harm_budget": {"type": "int", "default": 10},
    "bake": {"type": "str"},
    "step_timeout": {"type": "str", "default": "30m"},
    "rollout_timeout": {"type": "str", "default": "2h"},
    "on_inconclusive": {"type": "str", "choices": ["pause", "abort"], "default": "pause"},
    "on_no_capacity": {"type": "str", "choices": ["refuse", "wait"], "default": "refuse"},
    "on_rollback": {"type": "str", "choices": ["fail", "ok"], "default": "fail"},
    "hooks": {"type": "list", "elements": "dict"},
    "requests": {"type": "list", "elements": "dict"},
    "request_rate": {"type": "float"},
    "gateway_url": {"type": "str"},
    "report": {"type": "path"},
    "wait": {"type": "bool", "default": True},
    "progress_file": {"type": "path"},
}
