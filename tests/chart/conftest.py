"""What the chart's tests share: Helm where it is, and the chart rendered into objects."""

import pytest

from helm import command

needs_helm = pytest.mark.skipif(not command.is_there(), reason=command.GET_IT)
