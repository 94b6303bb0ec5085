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
    this.drawnClouds = [];
    this.painted = new Set();
    map.svg.prepend(shape("defs", {}, ...Array.from({ length: HOP_COLOURS }, (_, i) => arrow(i + 1))));
  }

  /**
   * Takes a route; null clears. Of its steps nothing is drawn before `seek` comes to them: three
   * hundred at once are a long frame, over the half second in which they pass they are not felt.
   */
  draw(route, addressOf) {
    this.addressOf = addressOf;
    for (const pool of [this.fans, this.edges, this.numbers]) pool.clear();
    this.numbered = route !== null && route.steps.filter((step) => step.way === "tcp").length <= MAX_NUMBERS;
    this.drawn = (route?.steps ?? [])
      .map((step) => ({ step, phase: null, path: null, number: null, server: addressOf(step.server), recipient: addressOf(step.recipient) }))
      .filter((one) => this.map.at(one.server) && this.map.at(one.recipient));
    this.drawClouds(route);
    this.drawMissing(route);
    this.drawOrigin(route);
    this.repaint(route);
  }

  /** Shows it as it was at a time; between servers and recipients unless motion is not wanted. */
  seek(ms, still) {
    for (const one of this.drawn) {
      const { step } = one;
      const phase = ms >= step.to ? THERE : ms > step.from && !still ? ON_ITS_WAY : AHEAD;
      if (phase !== AHEAD && one.path === null) this.drawStep(one);
      if (phase === ON_ITS_WAY) {
        set(one.path, "stroke-dasharray", `${((ms - step.from) / (step.to - step.from)).toFixed(3)} 1`);
      }
      if (phase === one.phase) continue;
      one.phase = phase;
      this.map.paint(one.recipient, phase === THERE ? colourOf(step.hop) : null);
      if (one.path === null) continue;
      set(one.path, "data-phase", ["ahead", "moving", null][phase]);
      if (phase !== ON_ITS_WAY) set(one.path, "stroke-dasharray", null);
      if (one.number) set(one.number, "data-phase", phase === THERE ? null : "ahead");
    }
    for (const cloud of this.drawnClouds) {
      const share = Math.max(0, Math.min(1, (ms - cloud.from) / (cloud.to - cloud.from)));
      const opacity = still && share < 1 ? 0 : share;
      if (cloud.opacity === opacity) continue;
      cloud.opacity = opacity;
      cloud.path.style.opacity = opacity === 1 ? "" : opacity * 0.13;
    }
  }

  drawStep(one) {
    const { step, server, recipient } = one;
    const [a, b] = [this.map.at(server), this.map.at(recipient)];
    const fan = step.way === "multicast";
    const curve = fan ? straight(a, b) : bowed(a, b, this.map);
    one.path = (fan ? this.fans : this.edges).take();
    set(one.path, "d", curve.d);
    set(one.path, "data-server", server);
    set(one.path, "data-recipient", recipient);
    set(one.path, "data-way", step.way);
    set(one.path, "data-hop", step.hop);
    set(one.path, "data-colour", colourOf(step.hop));
    set(one.path, "marker-end", fan ? null : `url(#arrow-${colourOf(step.hop)})`);
    if (fan || !this.numbered) return;
    one.number = this.numbers.take();
    set(one.number, "transform", `translate(${curve.x.toFixed(1)} ${curve.y.toFixed(1)})`);
    set(one.number, "data-colour", colourOf(step.hop));
    say(one.number.lastChild, String(step.hop));
  }

  drawClouds(route) {
    const all = (route === null ? [] : multicastsOf(route)).map((one) => ({
      ...one,
      points: [one.server, ...one.steps.map((step) => step.recipient)].map((number) => this.map.at(this.addressOf(number))).filter(Boolean),
    }));
    this.drawnClouds = [];
    this.clouds.draw(all.filter((one) => one.points.length > 1), (path, { hop, steps, points }) => {
      // Its stroke is what rounds it, and gives each node some air.
      set(path, "stroke-width", (2 * (this.map.radius + Math.min(60, this.map.room * 0.34))).toFixed(1));
      set(path, "d", `M${hull(points).map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}z`);
      set(path, "data-colour", colourOf(hop));
      this.drawnClouds.push({ path, from: steps[0].from, to: Math.max(...steps.map((step) => step.to)), opacity: null });
    });
  }

  drawMissing(route) {
    const spots = (route?.broadcast.missing ?? []).map((number) => this.map.at(this.addressOf(number))).filter(Boolean);
    this.missing.draw(spots, (ring, spot) => {
      set(ring, "cx", spot.x.toFixed(1));
      set(ring, "cy", spot.y.toFixed(1));
      set(ring, "r", (this.map.radius + 4.5).toFixed(1));
    });
  }

  drawOrigin(route) {
    const spot = route && this.map.at(this.addressOf(route.broadcast.origin));
    if (!spot) return this.origin.remove();
    const [ring, text] = this.origin.children;
    set(this.origin, "transform", `translate(${spot.x.toFixed(1)} ${spot.y.toFixed(1)})`);
    set(ring, "r", (this.map.radius + 4.5).toFixed(1));
    // Above, where its name is not; below if the caption of its segment is there.
    const region = this.map.regions.find((one) => inside(one, spot));
    const below = this.map.room < 45 && region && spot.y < region.y - 0.55 * region.r;
    set(text, "y", (below ? this.map.radius + 19 : -this.map.radius - 10).toFixed(1));
    say(text, "origin");
    if (this.origin.parentNode === null) this.map.layers.marks.append(this.origin);
  }

  // Who was reached is painted by `seek`: here only what the former broadcast left behind.
  repaint(route) {
    const painted = new Set(this.drawn.map((one) => one.recipient));
    if (route !== null) {
      const origin = this.addressOf(route.broadcast.origin);
      painted.add(origin);
      this.map.paint(origin, "origin");
    }
    for (const address of this.painted) if (!painted.has(address)) this.map.paint(address, null);
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

// Of a few bows the one that runs through fewest segments that it has no business in; else always to
// the same side of its direction, so that there and back are two lines.
const BOWS = [0.2, -0.2, 0.4, -0.4];

function bowed(a, b, map) {
  const others = map.regions.filter((region) => !inside(region, a) && !inside(region, b));
  const home = map.regions.find((region) => inside(region, a) && inside(region, b));
  let [best, least] = [null, Infinity];
  for (const bow of BOWS) {
    const control = {
      x: (a.x + b.x) / 2 + (b.y - a.y) * bow,
      y: Math.max(6, Math.min(map.height - 6, (a.y + b.y) / 2 - (b.x - a.x) * bow)),
    };
    let cost = bow > 0 ? bow * 20 : 2 - bow * 20;
    for (const share of [0.3, 0.5, 0.7]) {
      const point = along(a, control, b, share);
      for (const { x, y, r } of others) cost += Math.max(0, r - Math.hypot(point.x - x, point.y - y));
    }
    // Within a segment through its middle, not over the neighbours on its ring.
    if (home) cost += Math.hypot(control.x - home.x, control.y - home.y);
    if (cost < least) [best, least] = [control, cost];
  }
  const from = towards(a, best, map.radius + 3);
  const to = towards(b, best, map.radius + 4);
  return {
    d: `M${from.x.toFixed(1)} ${from.y.toFixed(1)}Q${best.x.toFixed(1)} ${best.y.toFixed(1)} ${to.x.toFixed(1)} ${to.y.toFixed(1)}`,
    ...along(from, best, to, 0.5),
  };
}

const inside = ({ x, y, r }, point) => Math.hypot(point.x - x, point.y - y) < r;

function along(a, control, b, t) {
  const mix = (p, q, r) => (1 - t) ** 2 * p + 2 * t * (1 - t) * q + t ** 2 * r;
  return { x: mix(a.x, control.x, b.x), y: mix(a.y, control.y, b.y) };
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
