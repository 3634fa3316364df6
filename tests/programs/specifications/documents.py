"""Every document that is made from the code, as it belongs on disk."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.programs.specifications import asyncapi, events, openapi

_HEAD = "# Made from the code by `make documents`; a test holds it to that.\n"


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def written() -> dict[Path, str]:
    """The text of each, by its file."""
    found = {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in events.schemas().items()}
    return {**found, asyncapi.FILE: _yaml(asyncapi.document()), openapi.FILE: _yaml(openapi.document())}


def _yaml(document: Any) -> str:
    return _HEAD + yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
