"""A group that goes on and has much to do: two looks at it, on no broker."""

from collections.abc import Iterator

import pytest

from taskmaster.broker.groups import Group, Stand
from taskmaster.broker.records import RecordPosition
from taskmaster.diagnosis import groups
from taskmaster.settings import read


def looks(*lags: int) -> Iterator[Group]:
    """What doctor is told, look by look, of a group that has so many of 5,000 records to go."""
    for lag in lags:
        stand = Stand(next=RecordPosition("create-task", 0, 5_000 - lag), lag=lag)
        yield Group(name="taskmaster-create-task", function="create-task", members=1, stands=(stand,))


@pytest.mark.parametrize(("second", "codes"), [(2_000, ["group-behind"]), (999, []), (0, [])])
def test_a_partition_that_moves_and_has_much_to_go_is_a_note(
    monkeypatch: pytest.MonkeyPatch, second: int, codes: list[str]
) -> None:
    told = looks(3_000, second)
    monkeypatch.setattr(groups, "groups", lambda *_, **__: [next(told)])
    found, _ = groups.examine(read({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}), prefix="taskmaster-", seconds=0)
    assert [each.code for each in found] == codes
    for each in found:
        assert "2000 records to go in partition 0, and moves" in each.what
        assert "functions.create-task.maxScale" in each.mend
