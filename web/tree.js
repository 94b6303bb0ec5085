// The tree of one broadcast, drawn over the map, as it was at a given time after its sending.

import { Pool, say, set, shape } from "./dom.js";
import { HOP_COLOURS, colourOf, multicastsOf } from "./route.js";

// Beyond so many TCP edges their numbers would cover the map.
const MAX_NUMBERS = 30;

const [AHEAD, ON_ITS_WAY, THERE] = [0, 1, 2];

export class Tree {
  constructor(map) {
    this.map = map;
    const { clouds, fans, edges, marks } = map.layers;
    const edge = () => shape("path", { class: "edge", "data-testid": "edge", pathLength: 1 });
    this.clouds = new Pool(clouds, () => shape("path", { class: "cloud" }));
    this.fans = new Pool(fans, edge);
    this.edges = new Pool(edges, edge);
    this.numbers = new Pool(marks, () => shape("g", { class: "number" }, shape("circle", { r: 8 }), shape("text", { dy: "0.35em" })));
    this.missing = new Pool(marks, () => shape("circle", { class: "missing" }));
    this.origin = shape("g", { class: "origin" }, shape("circle"), shape("text"));
    this.drawn = [];
    this.painted = new Map();
    map.svg.prepend(shape("defs", {}, ...Array.from({ length: HOP_COLOURS }, (_, i) => arrow(i + 1))));
  }

  /** Draws a route, all of it; null clears. */
  draw(route, addressOf) {
    this.addressOf = addressOf;
    for (const pool of [this.clouds, this.fans, this.edges, this.numbers, this.missing]) pool.begin();
    this.drawn = [];
    if (route !== null) {
      const numbered = route.steps.filter((step) => step.way === "tcp").length <= MAX_NUMBERS;
      for (const step of route.steps) this.addStep(step, numbered);
      this.drawn.clouds = multicastsOf(route).map((one) => this.addCloud(one)).filter(Boolean);
      for (const number of route.broadcast.missing) this.addMissing(number);
    } else this.drawn.clouds = [];
    for (const pool of [this.clouds, this.fans, this.edges, this.numbers, this.missing]) pool.end();
    this.drawOrigin(route);
    this.repaint(route);
  }

  /** Shows it as it was at a time; between servers and recipients unless motion is not wanted. */
  seek(ms, still) {
    for (const one of this.drawn) {
      const { step } = one;
      const phase = ms >= step.to ? THERE : ms > step.from && !still ? ON_ITS_WAY : AHEAD;
      if (phase === ON_ITS_WAY) {
        set(one.path, "stroke-dasharray", `${((ms - step.from) / (step.to - step.from)).toFixed(3)} 1`);
      }
      if (phase === one.phase) continue;
      one.phase = phase;
      set(one.path, "data-phase", ["ahead", "moving", null][phase]);
      if (phase !== ON_ITS_WAY) set(one.path, "stroke-dasharray", null);
      if (one.number) set(one.number, "data-phase", phase === THERE ? null : "ahead");
      this.map.paint(this.addressOf(step.recipient), phase === THERE ? colourOf(step.hop) : null);
    }
    for (const cloud of this.drawn.clouds ?? []) {
      const share = Math.max(0, Math.min(1, (ms - cloud.from) / (cloud.to - cloud.from)));
      const opacity = still && share < 1 ? 0 : share;
      if (cloud.opacity === opacity) continue;
      cloud.opacity = opacity;
      cloud.path.style.opacity = opacity === 1 ? "" : opacity * 0.13;
    }
  }

  addStep(step, numbered) {
    const [server, recipient] = [this.addressOf(step.server), this.addressOf(step.recipient)];
    const [a, b] = [this.map.at(server), this.map.at(recipient)];
    if (!a || !b) return;
    const fan = step.way === "multicast";
    const path = (fan ? this.fans : this.edges).take();
    const curve = fan ? straight(a, b, this.map.radius) : bowed(a, b, this.map.radius, this.map.height);
    set(path, "d", curve.d);
    set(path, "data-server", server);
    set(path, "data-recipient", recipient);
    set(path, "data-way", step.way);
    set(path, "data-hop", step.hop);
    set(path, "data-colour", colourOf(step.hop));
    set(path, "marker-end", fan ? null : `url(#arrow-${colourOf(step.hop)})`);
    set(path, "data-phase", null);
    set(path, "stroke-dasharray", null);
    const one = { step, path, phase: THERE, number: null };
    if (!fan && numbered) {
      one.number = this.numbers.take();
      set(one.number, "transform", `translate(${curve.x.toFixed(1)} ${curve.y.toFixed(1)})`);
      set(one.number, "data-colour", colourOf(step.hop));
      set(one.number, "data-phase", null);
      say(one.number.lastChild, String(step.hop));
    }
    this.drawn.push(one);
  }

  addCloud({ server, hop, steps }) {
    const points = [server, ...steps.map((step) => step.recipient)]
      .map((number) => this.map.at(this.addressOf(number)))
      .filter(Boolean);
    if (points.length < 2) return null;
    const path = this.clouds.take();
    // Its stroke is what rounds it, and gives each node some air.
    set(path, "stroke-width", (2 * (this.map.radius + Math.min(26, this.map.room * 0.3))).toFixed(1));
    set(path, "d", `M${hull(points).map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}z`);
    set(path, "data-colour", colourOf(hop));
    path.style.opacity = "";
    return { path, from: steps[0].from, to: Math.max(...steps.map((step) => step.to)), opacity: 1 };
  }

  addMissing(number) {
    const spot = this.map.at(this.addressOf(number));
    if (!spot) return;
    const ring = this.missing.take();
    set(ring, "cx", spot.x.toFixed(1));
    set(ring, "cy", spot.y.toFixed(1));
    set(ring, "r", (this.map.radius + 4.5).toFixed(1));
  }

  drawOrigin(route) {
    const spot = route && this.map.at(this.addressOf(route.broadcast.origin));
    if (!spot) return this.origin.remove();
    const [ring, text] = this.origin.children;
    set(this.origin, "transform", `translate(${spot.x.toFixed(1)} ${spot.y.toFixed(1)})`);
    set(ring, "r", (this.map.radius + 4.5).toFixed(1));
    set(text, "y", (-this.map.radius - 10).toFixed(1));
    say(text, "origin");
    if (this.origin.parentNode === null) this.map.layers.marks.append(this.origin);
  }

  repaint(route) {
    const painted = new Map();
    if (route !== null) {
      for (const { step } of this.drawn) painted.set(this.addressOf(step.recipient), colourOf(step.hop));
      painted.set(this.addressOf(route.broadcast.origin), "origin");
    }
    for (const address of this.painted.keys()) if (!painted.has(address)) this.map.paint(address, null);
    for (const [address, colour] of painted) this.map.paint(address, colour);
    this.painted = painted;
  }
}

function arrow(colour) {
  return shape(
    "marker",
    { id: `arrow-${colour}`, viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
    shape("path", { d: "M0 0.6L7.4 4L0 7.4z", class: "arrow", "data-colour": colour }),
  );
}

function straight(a, b) {
  return { d: `M${a.x.toFixed(1)} ${a.y.toFixed(1)}L${b.x.toFixed(1)} ${b.y.toFixed(1)}` };
}

// Always to the same side of its direction, so that there and back are two lines.
function bowed(a, b, radius, height) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = Math.hypot(dx, dy) || 1;
  const bow = Math.min(0.22 * length, 70);
  const control = { x: (a.x + b.x) / 2 + (dy / length) * bow, y: (a.y + b.y) / 2 - (dx / length) * bow };
  control.y = Math.max(6, Math.min(height - 6, control.y));
  const from = towards(a, control, radius + 3);
  const to = towards(b, control, radius + 4);
  return {
    d: `M${from.x.toFixed(1)} ${from.y.toFixed(1)}Q${control.x.toFixed(1)} ${control.y.toFixed(1)} ${to.x.toFixed(1)} ${to.y.toFixed(1)}`,
    x: (from.x + 2 * control.x + to.x) / 4,
    y: (from.y + 2 * control.y + to.y) / 4,
  };
}

function towards(a, b, by) {
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  return { x: a.x + ((b.x - a.x) / length) * by, y: a.y + ((b.y - a.y) / length) * by };
}

// Convex hull, by Andrew's monotone chain.
function hull(points) {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  const half = (list) => {
    const chain = [];
    for (const p of list) {
      while (chain.length > 1 && turn(chain.at(-2), chain.at(-1), p) <= 0) chain.pop();
      chain.push(p);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.toReversed())];
}

const turn = (o, a, b) => (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x);
