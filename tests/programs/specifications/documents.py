"""Every document that is made from the code, as it belongs on disk."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.programs.specifications import asyncapi, events, openapi, reference
from tests.programs.specifications.served import FUNCTIONS

PAGE = FUNCTIONS / "page" / "docs"
_HEAD = "# Made from the code by `make documents`; a test holds it to that.\n"


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def written() -> dict[Path, str]:
    """The text of each, by its file."""
    found = {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in events.schemas().items()}
    described = openapi.document()
    return {
        **found,
        asyncapi.FILE: _yaml(asyncapi.document()),
        openapi.FILE: _yaml(described),
        PAGE / "openapi.yaml": _yaml(described),  # what the image has, and show-page serves
        PAGE / "index.html": reference.page(described),
    }


def _yaml(document: Any) -> str:
    return _HEAD + yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
