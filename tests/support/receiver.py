"""The other end of many webhooks: what rang, how often, and how late."""

from collections import Counter
from datetime import datetime, timedelta

from knative.demo import receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver(receiver.Receiver):
    """Counts what rings, by webhook-id, and how late it came."""

    travelled = timedelta()  # from real time to the business time of the moments

    @property
    def rung(self) -> Counter[str]:
        return Counter(message.id for message in self.messages)

    @property
    def late(self) -> list[float]:
        """Seconds from the moment that each was meant for until it arrived."""
        meant = ((message, datetime.fromisoformat(message.data["remind_at"])) for message in self.messages)
        return [(message.at + self.travelled - moment).total_seconds() for message, moment in meant]

    def forget(self) -> None:
        self.messages.clear()
