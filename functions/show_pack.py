"""show-pack: the pack at work, for those whom PACK_VIEWERS names, and a dead letter put back."""

from taskmaster.overview.door import PackAtWork, shown_to_viewers
from taskmaster.overview.shown import (
    DeadLetterReplayed,
    DeadLettersShown,
    PackShown,
    ReplayDeadLetter,
    ShowDeadLetters,
    ShowPack,
)
from taskmaster.web.door import handles


@handles(http=["GET /", "GET /pack"])
def show_pack_at_work(command: ShowPack, pack: PackAtWork) -> PackShown:
    """Every function asleep, waking, awake or draining, and what the functions take up.

    For the users whom PACK_VIEWERS names; it shows nothing of any person. To ask keeps show-pack itself awake.
    """
    return pack.now()


@handles(http=["GET /pack/dead-letters"])
def show_dead_letters(command: ShowDeadLetters, pack: PackAtWork) -> DeadLettersShown:
    """The newest events that could not be handled, each with its reason, for the users whom PACK_VIEWERS names."""
    return pack.dead_letters()


@handles(http=["POST /pack/dead-letters/{partition}/{offset}/replay"])
def replay_dead_letter(command: ReplayDeadLetter, pack: PackAtWork) -> DeadLetterReplayed:
    """The event of a dead letter goes back to its function as it was, once, its attempts counted anew.

    For the users whom PACK_VIEWERS names. An event that was handled since is not run again.
    """
    return pack.put_back(command.partition, command.offset)


show_pack = shown_to_viewers("show_pack", show_pack_at_work, show_dead_letters, replay_dead_letter)
