// The head of the page: what cluster this is, how it is, and whether we hear of it.

import { byId, say, set, show } from "./dom.js";
import { whole } from "./format.js";

const STATES = ["alive", "suspect", "failed", "left"];
const WORDS = { connecting: "Connecting", connected: "Live", disconnected: "Disconnected" };
const REASONS = {
  "": "No connection to the node. What you see is old; the page tries again by itself.",
  token: "This dashboard needs its token: open its address once with ?token= and the token at the end.",
  refused: "You may not look at this dashboard any longer. What you see is old; log in and load the page again.",
  full: "Too many pages are open on this node. Close some, or look at the dashboard of another node.",
};

export class Status {
  constructor() {
    this.status = byId("status");
    this.banner = byId("banner");
    this.counts = STATES.map((state) => [state, byId(`count-${state}`)]);
  }

  connection(state, why) {
    if (this.status.dataset.state !== state) {
      // A retry is no news: the page stays disconnected until the node speaks.
      set(this.status, "data-state", state);
      say(byId("status-word"), WORDS[state]);
      set(document.documentElement, "data-connection", state);
    }
    show(this.banner, state === "disconnected");
    if (state === "disconnected") say(this.banner, REASONS[why]);
  }

  update(state, changed) {
    if (changed.everything) this.drawHead(state);
    const news = changed.members || [...changed.nodes.values()].some((keys) => keys.has("state"));
    if (!news) return;
    const counts = Object.fromEntries(STATES.map((one) => [one, 0]));
    for (const node of state.nodes.values()) counts[node.state]++;
    for (const [name, target] of this.counts) {
      say(target.lastElementChild, whole(counts[name]));
      set(target, "data-none", counts[name] ? null : "");
    }
    show(byId("alone"), state.alone);
    if (state.alone) say(byId("join-example"), `--join ${state.local}`);
  }

  drawHead(state) {
    say(byId("label"), state.label);
    show(byId("label"), state.label !== "");
    say(byId("local"), state.local);
    say(byId("version"), state.chatter);
    document.title = state.label ? `${state.label} – chatter` : `chatter at ${state.local}`;
    set(document.documentElement, "data-known", "");
  }
}
