"""The schemas of 1.0 as they were released, and whether today's break a program that was written for them.

They are frozen: `make documents ARGS=freeze` adds what is new, and refuses where something would break.
"""

import json
from pathlib import Path
from typing import Any

from taskmaster.events import routes
from tests.programs.specifications import asyncapi, compatibility, events

FROZEN = Path(__file__).parent / "released"
_TOPICS = FROZEN / "topics.json"


def breaks() -> list[str]:
    """What would break whom, one sentence each; none where all is well."""
    current = {path.name: schema for path, schema in events.schemas().items()}
    told = {each.file.name for each in events.facts().values()}
    found = []
    for path in sorted(FROZEN.glob("*.1.0.json")):
        released, today = json.loads(path.read_text()), current.get(path.name)
        if today is None:
            found.append(f"{path.name} is gone")
            continue
        sent, expected = (today, released) if path.name in told else (released, today)
        found += [f"{path.name} {said}" for said in compatibility.breaks(sent, expected)]
    for topic, names in json.loads(_TOPICS.read_text()).items():
        gone = sorted(set(names) - set(asyncapi.messages().get(topic, [])))
        found += [f"{name} is not on topic {topic} any more" for name in gone]
    return found


def unreleased() -> list[str]:
    """Names of schemas that are not frozen as they are."""
    current = {path.name: schema for path, schema in events.schemas().items()}
    return [name for name, schema in current.items() if _kept(FROZEN / name) != schema]


def freeze() -> None:
    """Keep today's schemas as those that programs were written for. SystemExit where they break the ones before."""
    if _TOPICS.exists() and (found := breaks()):
        raise SystemExit("\n".join(["Programs written for 1.0 would break:", *found]))
    FROZEN.mkdir(exist_ok=True)
    for path, schema in events.schemas().items():
        _keep(FROZEN / path.name, schema)
    _keep(_TOPICS, {topic: asyncapi.messages()[topic] for topic in routes.TOPICS})


def _kept(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None


def _keep(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
