// The broadcast that is shown: its tree on the map, its clock, and itself in words.

import { byId, element, say, set, show } from "./dom.js";
import { bytes, clock, milliseconds } from "./format.js";
import { Replay } from "./replay.js";
import { linesOf, reachOf, routeOf } from "./route.js";
import { Tree } from "./tree.js";

const MANY = 100;

export class Shown {
  constructor(map, state, onTouched, requestFrame) {
    this.map = map;
    this.state = state;
    this.tree = new Tree(map);
    this.replay = new Replay((ms, still) => this.tree.seek(ms, still), onTouched, requestFrame);
    this.route = null;
    this.words = byId("tree-words");
    this.nameOf = (number) => this.state.byNumber.get(number)?.address ?? `node ${number}`;
    byId("tree-text").addEventListener("toggle", () => this.drawWords());
    this.inSight = true;
    this.waiting = null; // what is to be taken when the map comes into sight again
    new IntersectionObserver(
      ([entry]) => {
        this.inSight = entry.isIntersecting;
        if (this.inSight && this.waiting !== null) this.take(this.waiting);
      },
      { rootMargin: "200px" },
    ).observe(map.frame);
  }

  /** Shows this one, or what is known of it by now; null for none. */
  take(broadcast) {
    // Nobody looks, and so many would cost those a stutter who look at the table.
    this.waiting = !this.inSight && broadcast?.edges.length > MANY ? broadcast : null;
    if (this.waiting !== null) return;
    this.route = broadcast && routeOf(broadcast);
    if (this.map.width) this.tree.draw(this.route, this.nameOf);
    this.replay.load(this.route, this.inSight);
    this.drawSummary();
    this.drawWords();
  }

  /** After nodes moved: the same picture at their new places. */
  redraw() {
    if (!this.map.width) return;
    this.tree.draw(this.route, this.nameOf);
    this.replay.again();
  }

  /** How a node got it, in words. */
  describe(node) {
    if (this.route === null) return "";
    const { broadcast, byRecipient } = this.route;
    if (broadcast.origin === node.n) return "origin of this broadcast";
    if (broadcast.missing.includes(node.n)) return "missing: did not confirm this broadcast";
    const step = byRecipient.get(node.n);
    if (!step) return "not known to have this broadcast";
    const time = step.told === null ? "" : ` after ${milliseconds(step.told)}`;
    return `hop ${step.hop} by ${step.way === "tcp" ? "TCP" : "multicast"} from ${this.map.shorten(this.nameOf(step.server))}${time}`;
  }

  drawSummary() {
    const one = this.route?.broadcast;
    say(byId("shown-tag"), one ? one.tag : "None yet");
    set(byId("shown-tag"), "title", one?.tag ?? null);
    const facts = one
      ? [
          ["Origin", this.map.shorten(this.nameOf(one.origin))],
          ["Sent", clock(one.t)],
          ["Size", bytes(one.bytes)],
          ["Reached", reachOf(one)],
          ["Rounds", `${one.rounds} of at most ${one.bound}`],
          ["Last node", one.settled ? milliseconds(one.last_ms) : "…"],
          ["Known by", one.confirmed ? "receipt" : "traces"],
        ]
      : [];
    const list = byId("shown-facts");
    while (list.children.length < facts.length) list.append(element("div", {}, element("dt"), element("dd")));
    [...list.children].forEach((pair, i) => {
      show(pair, i < facts.length);
      if (i >= facts.length) return;
      say(pair.firstChild, facts[i][0]);
      say(pair.lastChild, facts[i][1]);
    });
    set(list, "data-missing", one?.missing.length ? "" : null);
  }

  // Only while it is open: nobody needs three hundred lines a second that nobody reads.
  drawWords() {
    if (!byId("tree-text").open) return;
    const lines = this.route ? linesOf(this.route, this.nameOf) : [];
    this.words.replaceChildren(
      ...lines.map(({ depth, text }) => {
        const line = element("li", {}, text);
        line.style.setProperty("--depth", Math.min(depth, 6));
        return line;
      }),
    );
  }
}
