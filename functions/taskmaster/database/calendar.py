"""Secret addresses of calendar feeds, and the series of all tasks of a feed."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import kwargs_row, tuple_row

from taskmaster.database.queries import named
from taskmaster.database.session import Session
from taskmaster.domain.series import Series

_CALENDAR = named("calendar.sql")


def user_of_calendar(session: Session, digest: bytes) -> str | None:
    """Whose feed the secret with this digest opens. Ends the transaction, in which nobody is the user."""
    [(user_id,)] = session.fetch_and_commit(_CALENDAR["user_of_calendar"], {"digest": digest}, tuple_row)
    return user_id if isinstance(user_id, str) else None


def save_calendar(session: Session, user_id: str, digest: bytes, made_at: datetime) -> None:
    """Keep the digest of a user's secret in place of the one before."""
    session.later(_CALENDAR["save_calendar"], {"user_id": user_id, "digest": digest, "made_at": made_at})


def delete_calendar(session: Session, user_id: str) -> None:
    session.later(_CALENDAR["delete_calendar"], {"user_id": user_id})


def read_all_series(session: Session, series_ids: Sequence[int]) -> dict[int, Series]:
    """These series of the transaction's user, by id."""
    parameters = {"series_ids": list(series_ids)}
    found = session.fetch(_CALENDAR["read_all_series"], parameters, kwargs_row(Series.model_construct))
    return {series.series_id: series for series in found}
