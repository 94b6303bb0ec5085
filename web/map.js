// The map: segments as soft discs, nodes in them, and what the pointer or the keyboard asks about one.

import { Pool, byId, element, say, set, shape, show } from "./dom.js";
import { NONE, milliseconds, plural, shortener } from "./format.js";
import { place } from "./layout.js";

const REACH = 18; // pixels from the pointer to a node that is meant
const ALONE_SHARE = 0.6; // of the height, where the rest says what to check

export class ClusterMap {
  /** @param describe tells how a node got the shown broadcast, in words, "" if it did not */
  constructor(describe, onResize) {
    this.describe = describe;
    this.frame = byId("map");
    this.svg = byId("map-svg");
    this.tip = byId("map-tip");
    this.layers = {};
    for (const name of ["regions", "clouds", "fans", "edges", "labels", "nodes", "marks"]) {
      this.layers[name] = shape("g", { class: name });
      this.svg.append(this.layers[name]);
    }
    this.regionPool = new Pool(this.layers.regions, () => shape("circle", { class: "region" }));
    this.captionPool = new Pool(this.layers.labels, () => shape("text", { class: "caption" }));
    this.labelPool = new Pool(this.layers.labels, () => shape("text", { class: "label" }));
    this.elements = new Map();
    this.nodes = new Map();
    this.places = new Map();
    this.regions = [];
    this.shorten = (address) => address;
    this.width = this.height = 0;
    this.asked = null; // address of the node that is asked about
    this.focused = null;
    new ResizeObserver(([entry]) => {
      this.width = Math.round(entry.contentRect.width);
      this.height = Math.round(entry.contentRect.height);
      this.resized = true;
      onResize();
    }).observe(this.frame);
    this.listen();
  }

  /** Draws what changed; true if nodes moved. */
  update(state, changed) {
    this.nodes = state.nodes;
    const moved = (changed.members || this.resized || this.alone !== state.alone) && this.width > 0;
    if (moved) this.arrange(state);
    for (const [address, keys] of changed.nodes) {
      if (keys.has("state")) this.drawState(address);
    }
    if (this.asked !== null) this.explain(this.asked);
    return moved;
  }

  /** Where a node is, by its address; undefined if it is gone. */
  at(address) {
    return this.places.get(address);
  }

  /** Colours a node by the hop that reached it; null for none. */
  paint(address, colour) {
    const drawn = this.elements.get(address);
    if (drawn) set(drawn, "data-hop", colour);
  }

  arrange(state) {
    this.resized = false;
    this.alone = state.alone;
    set(this.svg, "viewBox", `0 0 ${this.width} ${this.height}`);
    const { regions, places } = place([...state.nodes.values()], this.width, this.height * (state.alone ? ALONE_SHARE : 1));
    this.places = places;
    this.regions = regions;
    this.shorten = shortener([...state.nodes.keys()]);
    this.room = Math.min(...[...places.values()].map((spot) => spot.room));
    this.radius = Math.max(3, Math.min(7.5, this.room * 0.17));
    this.drawRegions(regions);
    this.drawNodes(state);
    this.drawLabels(state);
  }

  drawRegions(regions) {
    this.regionPool.draw(regions, (disc, { kind, x, y, r }) => {
      set(disc, "data-kind", kind);
      set(disc, "cx", x.toFixed(1));
      set(disc, "cy", y.toFixed(1));
      set(disc, "r", r.toFixed(1));
    });
    this.captionPool.draw(regions, (caption, { key, kind, nodes, x, y, r }) => {
      const name = { singles: "Segments of one node", unknown: "Segment unknown" }[kind] ?? this.shorten(key);
      const long = `${name} · ${plural(nodes.length, "node")}`;
      set(caption, "x", x.toFixed(1));
      set(caption, "y", (y - r - 7).toFixed(1));
      say(caption, long.length * 6 < 2 * r + 24 ? long : name);
    });
  }

  drawNodes(state) {
    for (const [address, drawn] of this.elements) {
      if (this.places.has(address)) continue;
      drawn.remove();
      this.elements.delete(address);
      if (this.asked === address) this.explain(null);
      if (this.focused === address) this.focused = null;
    }
    for (const [address, spot] of this.places) {
      let drawn = this.elements.get(address);
      if (drawn === undefined) {
        drawn = shape("path", { class: "node", role: "img", tabindex: -1, "data-testid": "node", "data-address": address });
        this.elements.set(address, drawn);
        this.layers.nodes.append(drawn);
      }
      set(drawn, "transform", `translate(${spot.x.toFixed(1)} ${spot.y.toFixed(1)})`);
      set(drawn, "data-segment", state.nodes.get(address).segment ?? "");
      set(drawn, "data-local", address === state.local ? "" : null);
      this.drawState(address);
    }
    if (this.focused === null) this.focusable(state.local);
  }

  drawState(address) {
    const drawn = this.elements.get(address);
    const node = this.nodes.get(address);
    if (!drawn || !node) return;
    set(drawn, "data-state", node.state);
    set(drawn, "d", outline(node.state, this.radius));
    set(drawn, "aria-label", `${address}, ${node.state}`);
  }

  drawLabels(state) {
    const fits = (label, spot) => label.length * 6.6 + 6 < spot.room;
    const labelled = [...this.places].filter(([address, spot]) => fits(this.shorten(address), spot));
    this.labelPool.draw(labelled, (drawn, [address, spot]) => {
      const here = `${this.shorten(address)} (here)`;
      set(drawn, "x", spot.x.toFixed(1));
      set(drawn, "y", (spot.y + this.radius + 15).toFixed(1));
      say(drawn, address === state.local && fits(here, spot) ? here : this.shorten(address));
    });
  }

  // Asking about a node

  listen() {
    this.svg.addEventListener("pointermove", (event) => {
      const box = this.svg.getBoundingClientRect();
      this.explain(this.nearest(event.clientX - box.left, event.clientY - box.top));
    });
    this.svg.addEventListener("pointerleave", () => this.explain(null));
    // Not on the SVG: with a listener for focus it would be a stop of the tab key itself.
    this.frame.addEventListener("focusin", (event) => this.explain(event.target.dataset.address ?? null));
    this.frame.addEventListener("focusout", () => this.explain(null));
    this.svg.addEventListener("keydown", (event) => this.step(event));
  }

  nearest(x, y) {
    let [best, least] = [null, REACH ** 2];
    for (const [address, spot] of this.places) {
      const distance = (spot.x - x) ** 2 + (spot.y - y) ** 2;
      if (distance < least) [best, least] = [address, distance];
    }
    return best;
  }

  // One stop of the tab key for the whole map; arrows go on to the nearest node in their direction.
  step(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") this.explain(null);
    const from = this.places.get(this.focused);
    if (!way || !from) return;
    event.preventDefault();
    let [best, least] = [null, Infinity];
    for (const [address, spot] of this.places) {
      const [dx, dy] = [spot.x - from.x, spot.y - from.y];
      const ahead = dx * way[0] + dy * way[1];
      const aside = Math.abs(dx * way[1] - dy * way[0]);
      if (ahead > 1 && ahead + 2 * aside < least) [best, least] = [address, ahead + 2 * aside];
    }
    if (best === null) return;
    this.focusable(best);
    this.elements.get(best).focus();
  }

  focusable(address) {
    if (this.focused !== null) set(this.elements.get(this.focused), "tabindex", -1);
    if (!this.elements.has(address)) return;
    this.focused = address;
    set(this.elements.get(address), "tabindex", 0);
  }

  explain(address) {
    const node = this.nodes.get(address);
    const spot = this.places.get(address);
    if (this.asked !== address) {
      if (this.asked !== null) set(this.elements.get(this.asked) ?? this.svg, "data-asked", null);
      this.asked = node && spot ? address : null;
      if (this.asked !== null) set(this.elements.get(address), "data-asked", "");
    }
    show(this.tip, this.asked !== null);
    if (this.asked === null) return;
    const lines = [
      address,
      `${node.state}, segment ${node.segment ?? "unknown"}`,
      node.rtt_ms === 0 ? "serves this page" : `round trip ${milliseconds(node.rtt_ms)}`,
      this.describe(node) || NONE,
    ];
    while (this.tip.children.length < lines.length) this.tip.append(element("div"));
    lines.forEach((line, i) => say(this.tip.children[i], line));
    // Towards the middle, so that it is never cut off by the frame.
    this.tip.style.translate = `${spot.x < this.width / 2 ? "12px" : "calc(-100% - 12px)"} ${spot.y < this.height / 2 ? "12px" : "calc(-100% - 12px)"}`;
    this.tip.style.left = `${spot.x}px`;
    this.tip.style.top = `${spot.y}px`;
  }
}

// A state is told by its shape: full, half, crossed out, hollow.
function outline(state, r) {
  const disc = (q) => `M${-q} 0a${q} ${q} 0 1 0 ${2 * q} 0a${q} ${q} 0 1 0 ${-2 * q} 0z`;
  const inner = r * 0.64;
  if (state === "suspect") return `${disc(r)}M0 ${-inner}a${inner} ${inner} 0 0 1 0 ${2 * inner}z`;
  if (state === "left") return disc(r) + disc(inner);
  if (state === "failed") {
    const [a, b] = [r, r * 0.38];
    return `M${-a} ${-a + b}L${-a + b} ${-a}L0 ${-b}L${a - b} ${-a}L${a} ${-a + b}L${b} 0L${a} ${a - b}L${a - b} ${a}L0 ${b}L${-a + b} ${a}L${-a} ${a - b}L${-b} 0z`;
  }
  return disc(r);
}
