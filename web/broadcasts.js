// The list of the last broadcasts, and which of them is shown.

import { byId, element, order, say, set, show } from "./dom.js";
import { clock, milliseconds } from "./format.js";
import { colourOf } from "./route.js";

// While many are sent, each is to be seen for a moment.
const DWELL_MS = 1000;

// What was sent from this page is pinned before it is listed; sampling may leave it out.
const WAIT_MS = 5000;

export class Broadcasts {
  /** @param onShow takes the broadcast to be shown, or null */
  constructor(onShow, requestFrame) {
    this.onShow = onShow;
    this.requestFrame = requestFrame;
    this.list = byId("broadcasts");
    this.follow = byId("follow");
    this.rows = new Map();
    this.pinned = null;
    this.shown = null;
    this.shownAt = -Infinity;
    this.told = null; // the broadcast as it was told when it was drawn
    this.stop = null; // the one row at which the tab key stops
    this.held = false;
    this.follow.addEventListener("click", () => this.pin(this.pinned === null ? this.shown : null));
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("button");
      if (row) this.pin(row.dataset.id);
    });
    this.list.addEventListener("keydown", (event) => this.step(event));
    // A row that moves between the press and the release of a button is no click.
    this.list.addEventListener("pointerdown", () => (this.held = true));
    addEventListener("pointerup", () => this.release());
    addEventListener("pointercancel", () => this.release());
  }

  update(state, changed, now) {
    this.state = state;
    if (changed.parts.has("broadcasts") && !this.held) this.drawList();
    this.choose(changed, now);
  }

  /** Shows this one until told otherwise; null follows the latest again. */
  pin(id) {
    this.setPinned(id);
    this.shownAt = -Infinity;
    this.requestFrame();
  }

  /** Pins what is shown. */
  keep() {
    if (this.pinned === null && this.shown !== null) this.pin(this.shown);
  }

  setPinned(id) {
    this.pinned = id;
    this.pinnedAt = performance.now();
    set(this.follow, "aria-pressed", id === null);
  }

  // Followed is the latest that is settled: how a younger one travelled is not known yet.
  latest() {
    let [settled, any] = [null, null];
    for (const one of this.state.broadcasts.values()) {
      if (any === null || one.t >= any.t) any = one;
      if (one.settled && (settled === null || one.t >= settled.t)) settled = one;
    }
    return settled ?? any;
  }

  // What is pinned stays though fifty newer ones push it out of the list, and is waited for a while
  // if it was only just sent. A snapshot may have given the numbers in it to other nodes.
  wanted(changed, now) {
    if (this.pinned !== null) {
      const one = this.state.broadcasts.get(this.pinned);
      if (one) return one;
      const kept = this.told?.id === this.pinned;
      if (!changed.everything && (kept || now - this.pinnedAt < WAIT_MS)) return this.told;
      this.setPinned(null);
    }
    return this.latest();
  }

  choose(changed, now) {
    const wanted = this.wanted(changed, now);
    const id = wanted?.id ?? null;
    if (id === this.shown && !changed.parts.has("broadcasts") && !changed.everything) return;
    if (id !== this.shown && this.state.broadcasts.has(this.shown) && now - this.shownAt < DWELL_MS) {
      this.timer ??= setTimeout(() => {
        this.timer = null;
        this.requestFrame();
      }, DWELL_MS);
      return;
    }
    if (id !== this.shown) {
      set(this.rows.get(this.shown)?.button ?? this.list, "aria-current", null);
      this.shown = id;
      this.shownAt = now;
    }
    const row = this.rows.get(id);
    if (row) {
      set(row.button, "aria-current", "true");
      this.stopAt(row.button);
    }
    if (this.told === wanted && !changed.everything) return;
    this.told = wanted;
    this.onShow(wanted ?? null);
  }

  drawList() {
    const newest = [...this.state.broadcasts.values()].sort((a, b) => b.t - a.t || b.seqno - a.seqno);
    for (const id of this.rows.keys()) if (!this.state.broadcasts.has(id)) this.rows.delete(id);
    order(this.list, newest.map((one) => this.rowOf(one).item));
    show(byId("no-broadcasts"), newest.length === 0);
  }

  rowOf(one) {
    let row = this.rows.get(one.id);
    if (row === undefined) {
      const cell = (name) => element("span", { class: name });
      row = { time: cell("time"), tag: element("bdi", { class: "tag" }), last: cell("last"), from: cell("from"), reach: cell("reach"), rounds: cell("rounds"), told: null };
      row.button = element("button", { type: "button", "data-testid": "broadcast", "data-id": one.id, tabindex: -1 }, row.tag, row.last, row.time, row.from, row.reach, row.rounds);
      row.item = element("li", {}, row.button);
      this.rows.set(one.id, row);
    }
    if (row.told === one) return row;
    row.told = one;
    say(row.time, clock(one.t));
    say(row.tag, one.tag);
    set(row.tag, "title", one.tag);
    say(row.last, one.settled ? milliseconds(one.last_ms) : "…");
    say(row.from, this.state.byNumber.get(one.origin)?.address ?? "");
    say(row.reach, `${one.edges.length}/${one.recipients ?? "?"}`);
    set(row.reach, "data-missing", one.missing.length ? "" : null);
    set(row.reach, "title", one.missing.length ? `${one.missing.length} missing` : "reached / meant for");
    say(row.rounds, `${one.rounds}/${one.bound}`);
    set(row.rounds, "title", "rounds / bound");
    set(row.rounds, "data-colour", colourOf(one.rounds) || null);
    set(row.rounds, "data-above", one.rounds > one.bound ? "" : null);
    return row;
  }

  stopAt(button) {
    if (this.stop !== null) set(this.stop, "tabindex", -1);
    this.stop = button;
    set(button, "tabindex", 0);
  }

  step(event) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const item = event.target.closest("li");
    if (!by || !item) return;
    event.preventDefault();
    const next = by < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (next === null) return;
    this.stopAt(next.firstChild);
    next.firstChild.focus();
  }

  release() {
    if (!this.held) return;
    this.held = false;
    // After the click that this release becomes.
    setTimeout(() => this.state && this.drawList());
  }
}
