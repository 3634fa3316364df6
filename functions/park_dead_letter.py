"""park-dead-letter: an event that its function refused, or never managed, is kept with why it failed.

The dead letter sink of every KafkaSource. It needs no database, and answers once the broker has the letter.
"""

from taskmaster.door import dead_letter_sink
from taskmaster.events import Outgoing
from taskmaster.routes import DEAD_LETTERS
from taskmaster.runtime import Runtime


@dead_letter_sink
def park_dead_letter(letter: Outgoing, here: Runtime) -> None:
    here.broker.deliver(letter, to=here.settings.topic(DEAD_LETTERS))
