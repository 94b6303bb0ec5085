// The table of all nodes. Rows are kept by address; only what is on screen is written at once, the
// rest a few rows a frame, so that three hundred nodes cost no more than those one can see.

import { byId, element, order, say, set, show } from "./dom.js";
import { NONE, bytes, compareNames, duration, milliseconds, plural, whole } from "./format.js";

const UNSEEN_ROWS_A_FRAME = 40;
const UNSEEN_LATER_MS = 200;
const LONGEST_NAME = 24; // letters of an address that its columns make room for
const SORT_EVERY_MS = 1000;

const way = (value, node) => (value === null ? (node.rtt_ms === 0 ? "here" : NONE) : value ? "multicast" : "TCP");
const text = (value) => value ?? NONE;

const COLUMNS = [
  { key: "address", name: "Node", write: text },
  { key: "state", name: "State", write: text },
  { key: "segment", name: "Segment", write: text },
  { key: "rtt_ms", name: "Round trip", write: milliseconds },
  { key: "multicast", name: "Reached by", write: way },
  { key: "queue", name: "Queue", write: whole },
  { key: "outbox", name: "Outbox", write: bytes },
  { key: "version", name: "Version", write: text },
  { key: "uptime_s", name: "Uptime", write: duration },
  { key: "broadcasts", name: "Broadcasts", write: whole },
  { key: "deliveries", name: "Deliveries", write: whole },
  { key: "copies", name: "Copies", write: whole },
  { key: "duplicates", name: "Duplicates", write: whole },
  { key: "repairs", name: "Repairs", write: whole },
  { key: "gaps", name: "Gaps", write: whole },
  { key: "drops", name: "Drops", write: whole },
  { key: "kernel_drops", name: "Kernel drops", write: whole },
  { key: "bytes_in", name: "In", write: bytes },
  { key: "bytes_out", name: "Out", write: bytes },
];
const ROOM = { version: 7 }; // letters
const TEXTS = new Set(["address", "state", "segment", "multicast", "version"]);

export class NodeTable {
  constructor(requestFrame) {
    this.requestFrame = requestFrame;
    this.body = byId("nodes-body");
    this.search = byId("search");
    this.found = byId("found");
    this.rows = new Map();
    this.stale = new Set();
    this.sort = { key: "address", down: false };
    this.sortedAt = -Infinity;
    this.drawHead();
    this.search.addEventListener("input", () => this.again());
    this.body.addEventListener("pointerenter", () => (this.pointed = true));
    this.body.addEventListener("pointerleave", () => (this.pointed = false));
    this.seen = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const row = this.rows.get(target.dataset.address);
          if (row) row.visible = isIntersecting;
        }
        if (this.stale.size) this.requestFrame();
      },
      { rootMargin: "100px" },
    );
  }

  update(state, changed, now) {
    this.nodes = state.nodes;
    if (changed.members || changed.everything) this.keepRows();
    for (const address of changed.nodes.keys()) if (this.rows.has(address)) this.stale.add(address);
    this.write();
    if (changed.members || this.unsorted || (this.sort.key !== "address" && !this.pointed && now - this.sortedAt > SORT_EVERY_MS)) this.arrange(now);
  }

  again() {
    this.unsorted = true;
    this.requestFrame();
  }

  keepRows() {
    for (const [address, row] of this.rows) {
      if (this.nodes.has(address)) continue;
      this.seen.unobserve(row.root);
      row.root.remove();
      this.rows.delete(address);
      this.stale.delete(address);
    }
    for (const address of this.nodes.keys()) if (!this.rows.has(address)) this.addRow(address);
    set(this.body.parentNode, "data-many", this.rows.size > 60 ? "" : null);
    const longest = Math.max(10, ...[...this.nodes.keys()].map((address) => address.length));
    this.body.parentNode.style.setProperty("--address", `${Math.min(longest, LONGEST_NAME)}ch`);
    for (const address of this.rows.keys()) this.stale.add(address);
  }

  addRow(address) {
    const cells = COLUMNS.map(({ key }, i) =>
      element(i ? "td" : "th", { role: i ? "cell" : "rowheader", scope: i ? null : "row", class: TEXTS.has(key) ? "text" : "number" }),
    );
    const root = element("tr", { role: "row", "data-testid": "peer", "data-address": address }, ...cells);
    this.rows.set(address, { root, cells, visible: false });
    this.seen.observe(root);
  }

  write() {
    let unseen = UNSEEN_ROWS_A_FRAME;
    for (const address of this.stale) {
      const row = this.rows.get(address);
      if (!row.visible && unseen-- <= 0) continue;
      this.stale.delete(address);
      const node = this.nodes.get(address);
      COLUMNS.forEach(({ key, write }, i) => {
        const written = write(node[key], node);
        say(row.cells[i], written);
        if (TEXTS.has(key)) set(row.cells[i], "data-long", written.length > (ROOM[key] ?? LONGEST_NAME) ? "" : null);
      });
      set(row.root, "data-state", node.state);
    }
    // Not a frame of its own for what nobody sees: mostly the next message comes before.
    if (this.stale.size) {
      this.later ??= setTimeout(() => {
        this.later = null;
        this.requestFrame();
      }, UNSEEN_LATER_MS);
    }
  }

  arrange(now) {
    this.sortedAt = now;
    this.unsorted = false;
    const { key, down } = this.sort;
    const wanted = this.search.value.trim().toLowerCase();
    const nodes = [...this.nodes.values()].filter(
      (node) => !wanted || [node.address, node.state, node.segment, node.version].some((one) => one?.toLowerCase().includes(wanted)),
    );
    const sign = down ? -1 : 1;
    nodes.sort((a, b) => sign * compare(a[key], b[key]) || compareNames(a.address, b.address));
    order(this.body, nodes.map((node) => this.rows.get(node.address).root));
    say(this.found, wanted ? `${whole(nodes.length)} of ${plural(this.nodes.size, "node")}` : plural(this.nodes.size, "node"));
    show(byId("none-found"), nodes.length === 0 && this.nodes.size > 0);
  }

  drawHead() {
    this.heads = COLUMNS.map(({ key, name }) => {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", () => {
        // Figures are looked at for their largest, names from their first.
        const down = this.sort.key === key ? !this.sort.down : !TEXTS.has(key);
        this.sort = { key, down };
        this.sayOrder();
        this.again();
      });
      return element("th", { role: "columnheader", scope: "col", class: TEXTS.has(key) ? "text" : "number" }, button);
    });
    byId("nodes-head").append(...this.heads);
    this.sayOrder();
  }

  sayOrder() {
    COLUMNS.forEach(({ key }, i) => set(this.heads[i], "aria-sort", key !== this.sort.key ? "none" : this.sort.down ? "descending" : "ascending"));
  }
}

// What is unknown is least.
function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  return typeof a === "string" ? compareNames(a, b) : Number(a) - Number(b);
}
