// How an edge runs across the map, and where on it a number can be read. Pure: of the map it reads
// only where things are.

// Slight bows look best; there and back are two lines as long as both bow to the same side of their
// direction. Stronger ones, and those to the other side, are for edges with something in their way.
const BOWS = [0.2, -0.2, 0.12, -0.12, 0.3, -0.3, 0.42, -0.42, 0.56, -0.56];
const USUAL_BOW = 0.2;
const SAMPLES = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

const NUMBER_SPOTS = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74];
const NUMBER_SIZE = 19; // so far apart two of them are two

// Below this room between neighbours nodes bear no names, and are too many to be run around.
const NAMED_ROOM = 45;
const NAME = { below: 12, halfWidth: 34, halfHeight: 8 };
const CAPTION = { above: 11, halfWidth: 64, halfHeight: 8 };

export function straight(a, b) {
  return { d: `M${a.x.toFixed(1)} ${a.y.toFixed(1)}L${b.x.toFixed(1)} ${b.y.toFixed(1)}` };
}

/** The bow from a node to another that runs through least of what is none of its business. */
export function bowed(a, b, map) {
  const others = map.regions.filter((region) => !inside(region, a) && !inside(region, b));
  const home = map.regions.find((region) => inside(region, a) && inside(region, b));
  const nodes = map.room < NAMED_ROOM ? [] : [...map.places.values()];
  let [best, least] = [null, Infinity];
  for (const bow of BOWS) {
    const control = {
      x: within(6, (a.x + b.x) / 2 + (b.y - a.y) * bow, map.width - 6),
      y: within(6, (a.y + b.y) / 2 - (b.x - a.x) * bow, map.height - 6),
    };
    let cost = 400 * (Math.abs(bow) - USUAL_BOW) ** 2 + (bow < 0 ? 2 : 0);
    // Within a segment through its middle, not over the neighbours on its ring.
    if (home) cost += 0.3 * Math.hypot(control.x - home.x, control.y - home.y);
    const points = SAMPLES.map((share) => along(a, control, b, share));
    for (const { x, y, r } of others) for (const point of points) cost += 0.2 * Math.max(0, r - Math.hypot(point.x - x, point.y - y));
    for (const { x, y, r } of map.regions) if (points.some((point) => inBox(point, x, y - r - CAPTION.above, CAPTION, 0))) cost += 6;
    for (const node of nodes) {
      if (cost >= least) break;
      if (points.some((point) => overName(point, node, map, 0))) cost += 10;
      if (node === a || node === b) continue;
      const nearest = Math.min(...points.map((point) => Math.hypot(point.x - node.x, point.y - node.y)));
      cost += 3 * Math.max(0, map.radius + 8 - nearest);
    }
    if (cost < least) [best, least] = [control, cost];
  }
  const from = towards(a, best, map.radius + 3);
  const to = towards(b, best, map.radius + 4);
  return {
    d: `M${from.x.toFixed(1)} ${from.y.toFixed(1)}Q${best.x.toFixed(1)} ${best.y.toFixed(1)} ${to.x.toFixed(1)} ${to.y.toFixed(1)}`,
    at: (share) => along(from, best, to, share),
  };
}

/** The point on a bow, near its middle if that is free, where a number covers least. */
export function freeSpot(curve, map, taken) {
  const named = map.room >= NAMED_ROOM;
  let [best, least] = [null, Infinity];
  NUMBER_SPOTS.forEach((share, i) => {
    const spot = curve.at(share);
    let cost = i * 0.1;
    for (const { x, y } of taken) cost += 3 * Math.max(0, 1 - Math.hypot(spot.x - x, spot.y - y) / NUMBER_SIZE);
    for (const { x, y, r } of map.regions) if (inBox(spot, x, y - r - CAPTION.above, CAPTION, 8)) cost += 2;
    for (const node of map.places.values()) {
      cost += Math.max(0, 1 - Math.hypot(spot.x - node.x, spot.y - node.y) / (map.radius + 9));
      if (named && overName(spot, node, map, 7)) cost += 1;
    }
    if (cost < least) [best, least] = [spot, cost];
  });
  return best;
}

export const inside = ({ x, y, r }, point) => Math.hypot(point.x - x, point.y - y) < r;

/** Convex hull, by Andrew's monotone chain. */
export function hull(points) {
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
const within = (low, value, high) => Math.max(low, Math.min(high, value));
const inBox = (point, x, y, { halfWidth, halfHeight }, margin) => Math.abs(point.x - x) < halfWidth + margin && Math.abs(point.y - y) < halfHeight + margin;
const overName = (point, node, map, margin) => inBox(point, node.x, node.y + map.radius + NAME.below, NAME, margin);

function along(a, control, b, t) {
  const mix = (p, q, r) => (1 - t) ** 2 * p + 2 * t * (1 - t) * q + t ** 2 * r;
  return { x: mix(a.x, control.x, b.x), y: mix(a.y, control.y, b.y) };
}

function towards(a, b, by) {
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  return { x: a.x + ((b.x - a.x) / length) * by, y: a.y + ((b.y - a.y) / length) * by };
}
