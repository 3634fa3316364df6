"""park-dead-letter: an event that its function refused, or never managed, is kept with why it failed.

The dead letter sink of every KafkaSource. It needs no database, and answers once the broker has the letter. One that
the broker finds too large with its reason on top is kept without its data, which is still on the topic it came from.
"""

from taskmaster.broker.producer import TooLarge
from taskmaster.events.cloudevent import Outgoing, without_data
from taskmaster.events.routes import DEAD_LETTERS
from taskmaster.runtime import Runtime
from taskmaster.web.door import dead_letter_sink


@dead_letter_sink
def park_dead_letter(letter: Outgoing, here: Runtime) -> None:
    topic = here.settings.topic(DEAD_LETTERS)
    try:
        here.broker.deliver(letter, to=topic)
    except TooLarge:
        here.broker.deliver(without_data(letter), to=topic)
