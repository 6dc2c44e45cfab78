# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of manifests to documents. Releases have megabytes of it, so what is left out anyway is not parsed."""

from __future__ import annotations

import json
import re
import typing as t

from .._domain.errors import InvalidIntent, Unavailable

__all__ = ("Skip", "parse")

# Told kind, name and namespace ("" where there is none): is this document left out?
Skip = t.Callable[[str, str, str], bool]

# Such a line begins a document wherever it stands: no text in YAML may hold it at the start of a line.
_MARK = re.compile(r"^---[ \t]*(?:#.*)?$", re.MULTILINE)
# With these, documents are not independent of one another, or share a line with their mark.
_ENTANGLED = re.compile(r"^(?:%|\.\.\.|---[ \t]*[^ \t#\r\n])", re.MULTILINE)
_KIND = re.compile(r"^kind: *([A-Za-z0-9]+) *$", re.MULTILINE)
_METADATA = re.compile(r"^metadata: *\n((?:[ #].*\n|\n)+)", re.MULTILINE)
_NAME, _NAMESPACE = (re.compile(rf"^  {field}: *['\"]?([^'\"\s#]+)['\"]? *$", re.MULTILINE) for field in ("name", "namespace"))


def parse(source: str, content: bytes, skip: Skip | None = None) -> list[t.Any]:
    """All documents, None in the place of empty and skipped ones.

    :raises InvalidIntent: with the line of what is no YAML
    """
    yaml, loader = _library()
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        if _ENTANGLED.search(text):
            return list(yaml.load_all(text, Loader=loader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _wrong(source, error, 0) from None
    documents: list[t.Any] = []
    line = 0
    for part in _MARK.split(text):
        if skip is None or not _skipped(part, skip):
            documents.append(_one(source, part, line, yaml, loader))
        else:
            documents.append(None)
        line += part.count("\n")
    # What stands before the first mark, mostly nothing or a comment, is no document of its own.
    return documents[1:] if len(documents) > 1 and documents[0] is None else documents


def _one(source: str, part: str, line: int, yaml: t.Any, loader: t.Any) -> t.Any:
    if part.lstrip().startswith("{"):
        try:
            return json.loads(part)
        except ValueError:
            pass  # YAML writes mappings like this too
    try:
        return yaml.load(part, Loader=loader)
    except yaml.YAMLError as error:
        raise _wrong(source, error, line) from None


def _skipped(part: str, skip: Skip) -> bool:
    kind, metadata = _KIND.search(part), _METADATA.search(part)
    name = _NAME.search(metadata[1]) if metadata else None
    if not kind or not metadata or not name:
        return False
    namespace = _NAMESPACE.search(metadata[1])
    return skip(kind[1], name[1], namespace[1] if namespace else "")


def _wrong(source: str, error: Exception, line: int) -> InvalidIntent:
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1 + line}" if mark is not None else ""
    return InvalidIntent(f"is no YAML{where}: {getattr(error, 'problem', None) or error}", field="src", value=source)


def _library() -> tuple[t.Any, t.Any]:
    try:
        import yaml
    except ImportError as error:
        raise Unavailable(
            f"the Python library PyYAML cannot be imported ({error})",
            cure="install it where the module runs: pip install PyYAML",
        ) from error

    base: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):
        """Dates stay text, as in JSON, and so does a lone ``=``, which CRDs have among their values."""

        yaml_implicit_resolvers: t.ClassVar[t.Any] = {
            first: [pair for pair in pairs if pair[0] not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")]
            for first, pairs in base.yaml_implicit_resolvers.items()
        }

    return yaml, Loader
