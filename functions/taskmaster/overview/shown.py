"""What a viewer is shown of the pack: nothing of a person, no title, no user and no id of either."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from taskmaster.domain.task import Command, FrozenModel

FunctionState = Literal["asleep", "waking", "awake", "draining"]
PodState = Literal["waking", "awake", "draining"]


class ShowPack(Command):
    """Nothing has to be said."""


class ShowDeadLetters(Command):
    pass


class ReplayDeadLetter(Command):
    partition: int = Field(ge=0, description="the partition of the dead letter on its topic")
    offset: int = Field(ge=0, description="its offset in that partition")


class PodShown(FrozenModel):
    """A process of a function."""

    name: str = Field(description="the name of the pod, which no other pod ever has")
    state: PodState = Field(description="waking until it is ready, then awake, and draining from when it is to end")
    created_at: datetime = Field(description="when it was made")
    start_ms: int | None = Field(
        default=None,
        description="milliseconds from when it was made until it was ready; on a cluster, which counts whole seconds, "
        "a multiple of 1000; null until then",
    )


class FunctionShown(FrozenModel):
    """A function, and the pods that it has now."""

    function: str = Field(description="its name")
    state: FunctionState = Field(description="asleep where it has no pod, else the state of the pod that is most awake")
    pods: list[PodShown] = Field(description="the oldest first")


class CommandShown(FrozenModel):
    """An event or a call that a function took up."""

    at: datetime = Field(description="when the function received it first")
    sender: str = Field(description="the function that sent it, `call` for a person's call, `outside` for other events")
    function: str = Field(description="the function that took it up")
    type: str | None = Field(default=None, description="the type of the event, where sender and function tell it")
    attempts: int = Field(description="how often the function has begun with it")
    outcome: Literal["under way", "handled", "refused", "parked"] = Field(
        description="refused by a rule or as malformed; parked among the dead letters"
    )


class PackShown(FrozenModel):
    """The pack at one moment. What cannot be had is empty, and has a sentence that says why."""

    at: datetime = Field(description="that moment")
    functions: list[FunctionShown] = Field(description="every function")
    functions_missing: str | None = Field(default=None, description="why there are none")
    commands: list[CommandShown] = Field(
        description="the newest 50 of the last ten minutes, the newest first: events, and calls with an Idempotency-Key"
    )
    commands_missing: str | None = Field(default=None, description="why there are none")


class DeadLetterShown(FrozenModel):
    """An event that could not be handled."""

    position: str = Field(description="its partition and its offset on the topic of dead letters: 0/17")
    parked_at: datetime = Field(description="when it came there")
    function: str = Field(description="the function that failed; empty where the letter does not say")
    type: str = Field(description="the type of the event; empty where the letter does not say")
    reason: str = Field(description="why it failed")
    state: Literal["waiting", "replayed", "handled", "id taken"] = Field(description="what became of it since")
    obstacle: str = Field(description="why it cannot be put back unchanged; empty where it can")


class DeadLettersShown(FrozenModel):
    dead_letters: list[DeadLetterShown] = Field(description="the newest 20, the newest first")
    missing: str | None = Field(default=None, description="why there are none, where they cannot be read")


class DeadLetterReplayed(FrozenModel):
    topic: str = Field(description="the topic to which the event went back")
