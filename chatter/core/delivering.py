"""Broadcasts that are new here, on their way to handlers: at once, or in their origin's order."""

from __future__ import annotations

from chatter.core.context import Context
from chatter.core.effects import Deliver
from chatter.core.handlers import SerializerDB
from chatter.core.origins import OriginLife
from chatter.core.repair import Repair
from chatter.core.watched import Watched
from chatter.wire.gossip import Gossip


class Delivering:
    """Asks the shell to dispatch what came."""

    def __init__(
        self, context: Context, handlers: SerializerDB, repair: Repair, watched: Watched
    ) -> None:
        self._context = context
        self._handlers = handlers
        self._repair = repair
        self._watched = watched

    def deliver(self, life: OriginLife, deliver: Deliver, many: int, now: float) -> None:
        """Have so many broadcasts of one life dispatched when it is their turn.

        Their numbers have to be noted before.
        """
        gossip = deliver.gossip
        effects = self._context.effects
        self._context.tags.count(gossip.tag, many)
        self._context.appetite.messages += many
        if self._watched.active:
            self._watched.delivered(deliver, now)
        handler = self._handlers.dispatcher(gossip.tag)
        if handler is not None and handler.ordered:
            if isinstance(gossip, Gossip) and gossip.after > life.numbers.top:
                origin, epoch, _ = gossip.id
                self._repair.named(origin, epoch, gossip.after, deliver.sender, now)
            effects.extend(life.ordered().admit(deliver, life.numbers))
            return
        effects.append(deliver)
        if life.order is not None:
            effects.extend(life.order.release(life.numbers.floor))
