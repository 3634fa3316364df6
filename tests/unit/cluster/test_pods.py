"""What a pod costs is counted from when it was asked for until nothing is left of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from knative.cluster.pods import FUNCTION_LABEL, Ledger

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def pod(
    uid: str = "1",
    *,
    function: str = "create-task",
    scheduled: bool = False,
    ready: bool = False,
    told: bool = False,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "uid": uid,
        "name": f"{function}-{uid}",
        "creationTimestamp": "2026-11-25T12:00:00Z",
        "labels": {FUNCTION_LABEL: function},
    }
    if told:
        metadata["deletionTimestamp"] = "2026-11-25T12:00:40Z"
    conditions = [
        {"type": condition, "status": "True" if holds else "False"}
        for condition, holds in {"PodScheduled": scheduled or ready, "Ready": ready}.items()
    ]
    return {"metadata": metadata, "status": {"phase": "Running" if ready else "Pending", "conditions": conditions}}


def lived_through() -> Ledger:
    """Asked for at 0.2 s, scheduled at 0.3 s, ready at 1.2 s, told to end at 8 s, gone at 40 s."""
    ledger = Ledger()
    ledger.record("ADDED", pod(), at=at(0.2))
    ledger.record("MODIFIED", pod(scheduled=True), at=at(0.3))
    ledger.record("MODIFIED", pod(ready=True), at=at(1.2))
    ledger.record("MODIFIED", pod(ready=True), at=at(3))
    ledger.record("MODIFIED", pod(ready=True, told=True), at=at(8))
    ledger.record("DELETED", pod(told=True), at=at(40))
    return ledger


def test_a_pod_counts_until_nothing_is_left_of_it_not_until_it_is_told_to_end() -> None:
    [life] = lived_through().lives()
    moments = (life.asked, life.scheduled, life.ready, life.told, life.gone)
    assert moments == (at(0.2), at(0.3), at(1.2), at(8), at(40))
    assert life.state == "gone"
    assert lived_through().pod_seconds(since=NOON, until=at(60)) == pytest.approx(39.8)


def test_only_the_time_that_is_asked_about_counts() -> None:
    ledger = lived_through()
    assert ledger.pod_seconds(since=at(10), until=at(20)) == 10
    assert ledger.pod_seconds(since=at(41), until=at(60)) == 0
    assert ledger.pod_seconds("query-tasks", since=NOON, until=at(60)) == 0


def test_one_that_is_leaving_lives_but_serves_nobody() -> None:
    ledger = Ledger()
    ledger.record("ADDED", pod(ready=True), at=at(1))
    assert ledger.serving()
    ledger.record("MODIFIED", pod(ready=True, told=True), at=at(8))
    assert ledger.living()
    assert not ledger.serving()


def test_one_that_is_older_than_the_watch_is_as_old_as_the_cluster_says() -> None:
    ledger = Ledger()
    ledger.record("ADDED", pod(ready=True), at=at(30))
    assert ledger.lives()[0].asked == NOON


def test_a_watch_that_was_started_anew_may_tell_the_same_again() -> None:
    ledger = lived_through()
    ledger.record("DELETED", pod("unknown"), at=at(41))
    ledger.record("ADDED", pod("2"), at=at(0.5))
    ledger.record("ADDED", pod("2"), at=at(50))
    assert [life.asked for life in ledger.lives()] == [at(0.2), at(0.5)]


def test_pods_that_are_no_function_are_nobody() -> None:
    ledger = Ledger()
    job = pod()
    del job["metadata"]["labels"]
    ledger.record("ADDED", job, at=at(1))
    assert ledger.lives() == []


def test_waiting_in_vain_says_who_is_still_there() -> None:
    ledger = Ledger()
    ledger.record("ADDED", pod(ready=True), at=at(1))
    with pytest.raises(TimeoutError, match=r"zero pods: not within 0 s; pods: create-task-1 \(ready\)"):
        ledger.wait_until("zero pods", lambda: not ledger.living(), timeout=0)
