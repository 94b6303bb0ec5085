"""What monitoring calls what a node counts: one table of names, help texts and labels.

Pure data: `chatter.dashboard.exposition` makes Prometheus' objects of it, a test compares it with
what the code counts, another with the queries of docs/grafana.json, and docs/metrics.md lists it.

Source: Prometheus, "Metric and label naming" and "Writing exporters": base units, one metric for
what may be added up, a label for what tells its parts apart, ``_total`` at the end of a counter,
which is put there by prometheus_client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

PREFIX = "chatter_"


class Metric(NamedTuple):
    """One metric, of each node.

    Attributes:
        name: without the ``_total`` of a counter.
        label: what its samples are told apart by, besides the node; None: it has one sample.
        counters: the names in ``Chatter.stats()``, each with its value of the label.
    """

    kind: Literal["counter", "gauge"]
    name: str
    help: str
    label: str | None
    counters: Mapping[str, str]

    @property
    def sample(self) -> str:
        """The name of its samples, as a query has it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _counter(name: str, counter: str, text: str) -> Metric:
    return Metric("counter", PREFIX + name, text, None, {counter: ""})


def _counters(name: str, label: str, text: str, **counters: str) -> Metric:
    return Metric("counter", PREFIX + name, text, label, counters)


def _gauge(name: str, counter: str, text: str) -> Metric:
    return Metric("gauge", PREFIX + name, text, None, {counter: ""})


METRICS: tuple[Metric, ...] = (
    # What is broadcast, and what becomes of it here
    _counter("broadcasts", "broadcasts", "Broadcasts that this node sent."),
    _counter(
        "broadcasts_to_nobody",
        "broadcasts_to_nobody",
        "Broadcasts that this node sent while nobody was there to get them.",
    ),
    _counters(
        "receipts",
        "result",
        "Confirmed broadcasts of this node that were settled: full if everybody answered.",
        receipts_full="full",
        receipts_partial="partial",
    ),
    _counter("dispatched", "dispatched", "Broadcasts that were given to a handler here."),
    _counters(
        "not_dispatched",
        "reason",
        "Broadcasts for this node that no handler got: nobody handles the tag, the body cannot be"
        " decoded, or the handler was too slow for too long.",
        unknown_tag="unknown_tag",
        undecodable="undecodable",
        dropped_handler_behind="handler_behind",
    ),
    _counter("handler_errors", "handler_errors", "Calls of a handler that raised."),
    _counter(
        "broadcasts_lost",
        "numbers_lost",
        "Broadcasts of others that nobody has any more: each belongs to a gap.",
    ),
    # Copies on their way
    _counter(
        "gossip_received", "gossip_received", "Copies of broadcasts that came, wanted or not."
    ),
    _counter(
        "gossip_overheard",
        "gossip_overheard",
        "Copies of broadcasts to some that came by multicast and were for others.",
    ),
    _counters(
        "gossip_ignored",
        "reason",
        "Copies that came and were not dispatched: a duplicate, older than this node remembers, or"
        " a broadcast of its own.",
        duplicates="duplicate",
        too_late="too_late",
        gossip_own="own",
    ),
    _counters(
        "gossip_sent",
        "way",
        "Copies that this node sent, of its own or as a relay; a multicast counts once.",
        gossip_sent="tcp",
        gossip_multicast="multicast",
    ),
    _counter(
        "transforms_left_out",
        "transforms_left_out",
        "Broadcasts that were passed on as they came, as too many waited for a handler that"
        " transforms.",
    ),
    _counters(
        "gossip_unsent",
        "reason",
        "Copies that were not sent: the queue was full, too many hops, nobody could be reached.",
        outbox_full="outbox_full",
        hops_exhausted="hops_exhausted",
        gossip_undeliverable="undeliverable",
    ),
    _counters(
        "chunks_received",
        "use",
        "Pieces of large broadcasts that came: useful, or already here.",
        chunks_received="useful",
        chunks_needless="needless",
    ),
    _counter(
        "assemblies_given_up",
        "assemblies_given_up",
        "Large broadcasts whose missing pieces nobody sent.",
    ),
    # Relays and what they answer for
    _counter(
        "branches_replanned",
        "branches_replanned",
        "Branches of the tree that were served by others, because their head could not.",
    ),
    _counter(
        "heads_silent", "heads_silent", "Heads of branches that gave no sign of life in time."
    ),
    _counter(
        "handovers_forgotten",
        "handovers_forgotten",
        "Branches no longer answered for, as their head had too many that it had not confirmed.",
    ),
    _counters(
        "duties_ended",
        "reason",
        "Broadcasts that this node stopped answering for before all were known to have them:"
        " given up when the time was over, dropped as there were too many.",
        duties_given_up="given_up",
        duties_dropped="dropped",
    ),
    _counter(
        "listeners_probed",
        "listeners_probed",
        "Times that a listener of a multicast was asked whether it has it.",
    ),
    # Repair
    _counter(
        "repair_questions", "numbers_asked", "Questions for broadcasts that this node missed."
    ),
    _counters(
        "repair_sent",
        "way",
        "Broadcasts that were sent again to who missed them and asked: by their number to one or by"
        " multicast to several, or by their id to a listener.",
        numbers_answered="tcp",
        numbers_multicast="multicast",
        wants_answered="by_id",
    ),
    _counters(
        "repair_unanswered",
        "question",
        "Questions for broadcasts that this node had no more: by numbers, or by id.",
        numbers_unanswered="numbers",
        wants_unanswered="id",
    ),
    _counter(
        "since_questions",
        "since_asked",
        "Questions to an origin from which of its broadcasts on this node counts.",
    ),
    _counter(
        "tail_notices",
        "tail_notices",
        "Notices of the last broadcasts, for who missed just those.",
    ),
    _counter("probes_sent", "probes_sent", "Questions to listeners whether they hear this node."),
    _counter(
        "probes_missed",
        "probes_missed",
        "Broadcasts that this node was asked about, had not heard, and fetched.",
    ),
    # Flow
    _counter(
        "multicast_blocked",
        "multicast_blocked",
        "Times that multicast waited for listeners that could take no more.",
    ),
    _counter(
        "slow_peers",
        "slow_peers",
        "Times that a peer took nothing for so long that it is no longer waited for.",
    ),
    _counter("slow_peers_back", "slow_peers_back", "Times that such a peer had caught up."),
    _counter("credits_sent", "credits_sent", "Grants to others to send on."),
    # Frames and bytes
    _counter("frames_received", "frames_received", "Frames that came: datagrams, and by TCP."),
    _counter("frames_sent", "frames_sent", "Frames that were sent: datagrams, and by TCP."),
    _counter("received_bytes", "bytes_received", "Bytes that came, without the headers of IP."),
    _counter("sent_bytes", "bytes_sent", "Bytes that were sent, without the headers of IP."),
    _counters(
        "frames_dropped",
        "reason",
        "Frames, or records in them, that were refused. bad_seal and unknown_key_hint: another key"
        " or label, or damage; replay: a copy of a frame; unproven_life: the sender had not yet"
        " shown that it lives; superseded_life: its process was started anew; our_netid and"
        " impossible_netid: an address that cannot be the sender's; gossip_by_udp: what only"
        " multicast or TCP may carry; no_room_for_peer, assembly_full: a table is full.",
        dropped_malformed="malformed",
        dropped_truncated="truncated",
        dropped_bad_magic="bad_magic",
        dropped_unknown_key_hint="unknown_key_hint",
        dropped_bad_seal="bad_seal",
        dropped_replay="replay",
        dropped_too_large="too_large",
        dropped_superseded_life="superseded_life",
        dropped_unproven_life="unproven_life",
        dropped_impossible_netid="impossible_netid",
        dropped_our_netid="our_netid",
        dropped_gossip_by_udp="gossip_by_udp",
        dropped_no_room_for_peer="no_room_for_peer",
        dropped_assembly_full="assembly_full",
    ),
    _counter(
        "records_unknown",
        "records_unknown",
        "Records of kinds that this version does not know, and skipped.",
    ),
    _counter(
        "kernel_drops",
        "kernel_drops",
        "Datagrams that the system threw away because a receive buffer was full.",
    ),
    _counters(
        "send_errors",
        "way",
        "Datagrams that the system refused to send.",
        multicast_errors="multicast",
        udp_errors="udp",
    ),
    # Peers and connections
    _counter("beacons_sent", "beacons_sent", "Signs of life by multicast."),
    _counter("connects_failed", "connects_failed", "Connections that could not be made."),
    _counters(
        "connections_refused",
        "reason",
        "Connections that were closed because who made them did not show in time that it has the"
        " key, or to make room for others.",
        connections_unproven="unproven",
        connections_cut_off="cut_off",
    ),
    _counter(
        "challenges_withheld",
        "challenges_withheld",
        "Strangers that were not asked who they are, as too many came at once.",
    ),
    _counter(
        "stale_epochs",
        "stale_epochs",
        "Nodes that came with an epoch older than that of another at their address.",
    ),
    _counter("lives_drawn", "lives_drawn", "Times that this node drew a new life."),
    _counter(
        "address_clashes",
        "address_clashes",
        "Signs of another node that uses the address of this one.",
    ),
    _counter(
        "watches_ignored",
        "watches_ignored",
        "Questions for figures that were not answered, as too many came in a second.",
    ),
    _counter("internal_errors", "internal_errors", "Bugs in chatter: see the log, and report it."),
    # How it stands at the moment
    Metric(
        "gauge",
        PREFIX + "peers",
        "Peers that this node knows, by their state; broadcasts go to those alive and suspect.",
        "state",
        {
            "peers_alive": "alive",
            "peers_suspect": "suspect",
            "peers_failed": "failed",
            "peers_left": "left",
        },
    ),
    _gauge("connections", "connections", "Open TCP connections to other nodes."),
    _gauge("handler_queue_messages", "handler_queue", "Messages that wait for a handler."),
    _gauge("outbox_bytes", "outbox_bytes", "Bytes that wait to be sent."),
    _gauge("store_bytes", "store_bytes", "Bytes of recent broadcasts, kept for repair."),
    _gauge(
        "receive_buffer_bytes",
        "receive_buffer_bytes",
        "The smallest receive buffer that the system granted for multicast; 0 without multicast.",
    ),
)

# What is told besides what `Chatter.stats()` has.
INFO = PREFIX + "node"
UPTIME = PREFIX + "uptime_seconds"
DELIVERIES = PREFIX + "tag_deliveries"
NODES = PREFIX + "nodes"
UNANSWERED = PREFIX + "nodes_unanswered"

SAMPLES = frozenset(
    {f"{INFO}_info", UPTIME, f"{DELIVERIES}_total", NODES, UNANSWERED}
    | {metric.sample for metric in METRICS}
)
"""The name of every sample that there is."""
