# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postgres, S3 and NATS JetStream for development: started and stopped without Docker and without root.

Standard library only, so that any Python 3.10 runs it; the role calls it as a command, the tests too.
"""
