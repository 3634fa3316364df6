"""How many calls one user, one channel of a user and one host have at once. Of one process."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from taskmaster.domain.apprise_url import apprise_address
from taskmaster.domain.channels import webhook_address
from taskmaster.domain.user_channels import AnyChannel, Apprise, Mail
from taskmaster.reminding.breaker import Breaker

MOST_OF_A_USER = 10  # calls at once, where a KafkaSource has 50 events under way and a pod 64 threads
LONGEST_HELD = timedelta(hours=12)  # beyond REMINDER_STALE_HOURS; a reminder that is held back for longer has failed


class CallLimits:
    """How many calls one user, one channel of a user and one host have at once. Of one process."""

    def __init__(self) -> None:
        self.users = Breaker(most=MOST_OF_A_USER, watches=False)
        self.channels = Breaker(most=MOST_OF_A_USER)  # of one user each: a slow one does not count for another user
        self.hosts = Breaker()

    def seconds_held(self, channels: Mapping[str, AnyChannel], *, user_id: str, age: timedelta) -> float:
        """How long a reminder of this age is held back where none of its channels may be called now; else 0."""
        slots = [self.slot(user_id, channel) for channel in channels.values()]
        if age > LONGEST_HELD or any(slot.is_free for slot in slots):
            return 0.0
        return min((slot.seconds_until_free() for slot in slots), default=0.0)

    def are_in_trouble(self, channels: Mapping[str, AnyChannel], *, user_id: str) -> bool:
        """Whether each of these channels has a receiver that was slow again and again."""
        return all(self.slot(user_id, channel).is_in_trouble for channel in channels.values())

    def slot(self, user_id: str, channel: AnyChannel) -> "Slot":
        """The slot that a call of this channel takes."""
        if isinstance(channel, Mail):
            host = "the mail server"
        else:
            try:
                read = apprise_address if isinstance(channel, Apprise) else webhook_address
                host = read(channel.url or "").host
            except ValueError:
                host = "nowhere"
        counts = (self.users, user_id, ""), (self.channels, f"{user_id}\n{host}", ""), (self.hosts, host, user_id)
        return Slot(counts)


class Slot(NamedTuple):
    """What one call counts against: breakers, each with a key and whom the call is for."""

    counts: tuple[tuple[Breaker, str, str], ...]

    def take(self) -> float | None:
        """None if the call may begin, and `release` must follow; else the seconds after which to try again."""
        taken: list[tuple[Breaker, str, str]] = []
        for breaker, key, by in self.counts:
            if not breaker.enter(key, by=by):
                for other, its_key, its_by in taken:
                    other.leave(its_key, slow=None, by=its_by)
                return breaker.seconds_until(key)
            taken.append((breaker, key, by))
        return None

    def release(self, *, slow: bool | None, in_vain: bool) -> None:
        for breaker, key, by in self.counts:
            breaker.leave(key, slow=slow, in_vain=in_vain, by=by)

    @property
    def is_free(self) -> bool:
        """Whether a call might begin."""
        return all(breaker.has_room(key) for breaker, key, _ in self.counts)

    @property
    def is_in_trouble(self) -> bool:
        return any(breaker.is_in_trouble(key) for breaker, key, _ in self.counts)

    def seconds_until_free(self) -> float:
        """The seconds after which to try again, where a call may not begin."""
        full = [(breaker, key) for breaker, key, _ in self.counts if not breaker.has_room(key)]
        return max((breaker.seconds_until(key) for breaker, key in full), default=0.0)
