# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an apply changed, and how that is shown."""

from __future__ import annotations

import typing as t

__all__ = ("content", "shown")

Document = dict[str, t.Any]

# They change with every write, whoever wrote what.
_BOOKKEEPING = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
_MASK = "********"
_OTHER_MASK = "******** (another value)"


def content(document: Document | None) -> Document | None:
    """The object without its status and without the API server's bookkeeping: two that are equal here say the same."""
    if document is None:
        return None
    metadata = {name: value for name, value in document.get("metadata", {}).items() if name not in _BOOKKEEPING}
    return {**{name: value for name, value in document.items() if name != "status"}, "metadata": metadata}


def shown(before: Document | None, after: Document | None) -> tuple[Document | None, Document | None]:
    """Both sides for a diff. A Secret's values are masked; that one differs stays visible."""
    old, new = content(before), content(after)
    if "Secret" not in ((old or {}).get("kind"), (new or {}).get("kind")):
        return old, new
    was = _values(old)
    return _masked(old, was, {}), _masked(new, _values(new), was)


def _values(document: Document | None) -> Document:
    found: Document = {}
    for field in ("data", "stringData"):
        found.update({f"{field}/{name}": value for name, value in ((document or {}).get(field) or {}).items()})
    return found


def _masked(document: Document | None, values: Document, before: Document) -> Document | None:
    if document is None:
        return None
    result = dict(document)
    for field in ("data", "stringData"):
        if isinstance(document.get(field), dict):
            result[field] = {
                name: _OTHER_MASK if before.get(f"{field}/{name}", value) != value else _MASK
                for name, value in document[field].items()
            }
    annotations = (document.get("metadata") or {}).get("annotations")
    # kubectl keeps the whole Secret in an annotation of its own.
    if annotations and any("last-applied" in name for name in annotations):
        hidden = {name: _MASK if "last-applied" in name else value for name, value in annotations.items()}
        result["metadata"] = {**document["metadata"], "annotations": hidden}
    return result
