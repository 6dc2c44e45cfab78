"""The one error type that the command line turns into a sentence and exit code 1."""

from __future__ import annotations


class ClusterError(Exception):
    """A sentence for a person: what went wrong, where, and what to do."""
