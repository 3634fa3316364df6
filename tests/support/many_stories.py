"""What `taskmaster trace --json` prints, of many ids: the topics are read once, as they are when it begins.

python -m tests.support.many_stories < ids, one a line; a line of JSON for each
"""

import json
import os
import sys

from taskmaster.settings import read
from taskmaster.story.telling import tell
from tests.support.kept_topics import KeptTopics


def main() -> None:
    settings = read(os.environ)
    topics = KeptTopics(settings)
    for identifier in map(str.strip, sys.stdin):
        story = [each.as_json() for each in tell(settings, identifier, topics=topics)]
        print(json.dumps({"id": identifier, "story": story}))


if __name__ == "__main__":
    main()
