"""Write the documents: `make documents`. With `freeze`, keep the events' schemas as released."""

import sys

from tests.programs.specifications import released
from tests.programs.specifications.documents import written

for path, content in written().items():
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
if sys.argv[1:] == ["freeze"]:
    released.freeze()
