// The tree of one broadcast, drawn over the map, as it was at a given time after its sending.

import { bowed, freeSpot, hull, inside, straight } from "./curve.js";
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
    this.numbersAt = [];
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
    const spot = freeSpot(curve, this.map, this.numbersAt);
    this.numbersAt.push(spot);
    set(one.number, "transform", `translate(${spot.x.toFixed(1)} ${spot.y.toFixed(1)})`);
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
