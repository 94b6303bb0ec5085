// Where each node sits on the map: segments as discs, their nodes on rings inside. Pure.

import { compareNames } from "./format.js";

const CAPTION = 20; // pixels above each disc for its name
const GAP = 14;
const LARGEST = 170;
const LARGEST_ALONE = 250; // where there is but one disc
const RING_ONLY = 10; // so many nodes sit on one ring, with the middle free for the fan
const RING_OF_SINGLES = 40; // all edges are TCP there: they are chords, and need the middle

// Beyond so many segments of one node each, a disc for each would only be noise.
const MAX_SINGLES = 6;

/**
 * @param nodes those to be placed
 * @returns {regions: [{key, kind, nodes, x, y, r}], places: Map(address -> {x, y, room})}, `room` the
 *   pixels between neighbours
 */
export function place(nodes, width, height) {
  const regions = groupBySegment(nodes);
  fit(regions, width, height);
  const places = new Map();
  for (const region of regions) {
    const spots = spotsOf(region);
    const scale = region.r / unitRadius(region);
    region.nodes.forEach((node, i) => {
      places.set(node.address, { x: region.x + spots[i].x * scale, y: region.y + spots[i].y * scale, room: scale });
    });
  }
  return { regions, places };
}

function groupBySegment(nodes) {
  const bySegment = Map.groupBy(nodes, (node) => node.segment ?? null);
  const singles = [...bySegment].filter(([segment, members]) => segment !== null && members.length === 1);
  const regions = [];
  const unknown = bySegment.get(null);
  bySegment.delete(null);
  if (singles.length > MAX_SINGLES) {
    for (const [segment] of singles) bySegment.delete(segment);
    regions.push({ key: "singles", kind: "singles", nodes: singles.map(([, members]) => members[0]) });
  }
  for (const [segment, members] of bySegment) regions.push({ key: segment, kind: "segment", nodes: members });
  regions.sort((a, b) => compareNames(a.key, b.key));
  if (unknown) regions.push({ key: "unknown", kind: "unknown", nodes: unknown });
  for (const region of regions) region.nodes.sort((a, b) => compareNames(a.address, b.address));
  return regions;
}

// Discs in rows: the number of rows that lets them be largest, and a single row goes up and down, so
// that TCP edges do not run through a disc on their way.
function fit(regions, width, height) {
  const radii = regions.map(unitRadius);
  let best = null;
  for (let count = 1; count <= regions.length; count++) {
    const rows = inRows(radii, count);
    const widest = Math.min(...rows.map((row) => (width - GAP * (row.length + 1)) / sum(row.map((i) => 2 * radii[i]))));
    const tallest = (height - rows.length * (CAPTION + GAP)) / sum(rows.map((row) => 2 * largest(row, radii)));
    const scale = Math.min(widest, tallest, (regions.length === 1 ? LARGEST_ALONE : LARGEST) / Math.max(...radii));
    if (best === null || scale > best.scale * 1.02) best = { rows, scale };
  }
  if (best === null) return;
  const { rows, scale } = best;
  const heights = rows.map((row) => 2 * largest(row, radii) * scale + CAPTION);
  const slack = height - sum(heights);
  const pad = slack / (rows.length + 1);
  let top = 0;
  rows.forEach((row, r) => {
    top += pad;
    const wide = sum(row.map((i) => 2 * radii[i] * scale));
    const space = Math.min((width - wide) / (row.length + 1), 120);
    let x = (width - wide - space * (row.length - 1)) / 2;
    if (rows.length > 1 && row.length === 1 && rows.every((each) => each.length === 1)) {
      x += (r % 2 ? 1 : -1) * Math.min(x - GAP, 60);
    }
    const swing = rows.length === 1 && row.length > 1 ? Math.min(slack / 2 - GAP / 2, 90) : 0;
    row.forEach((i, c) => {
      const radius = radii[i] * scale;
      const middle = top + CAPTION + (heights[r] - CAPTION) / 2 + (c % 2 ? swing : -swing);
      Object.assign(regions[i], { x: x + radius, y: middle, r: radius });
      x += 2 * radius + space;
    });
    top += heights[r];
  });
}

function inRows(radii, count) {
  const rows = [];
  let next = 0;
  for (let r = 0; r < count; r++) {
    const take = Math.ceil((radii.length - next) / (count - r));
    rows.push(Array.from({ length: take }, (_, i) => next + i));
    next += take;
  }
  return rows;
}

// In units of the distance between neighbours.
function unitRadius(region) {
  const count = region.nodes.length;
  if (count === 1) return 0.9;
  if (onOneRing(region)) return ringRadius(count) + 0.5;
  return ringsFor(count) + 0.7;
}

function onOneRing({ kind, nodes }) {
  return nodes.length <= (kind === "singles" ? RING_OF_SINGLES : RING_ONLY);
}

function ringRadius(count) {
  return Math.max(0.72, 0.5 / Math.sin(Math.PI / Math.max(count, 3)));
}

function ringsFor(count) {
  let rings = 1;
  while (1 + 3 * rings * (rings + 1) < count) rings++;
  return rings;
}

function spotsOf(region) {
  const count = region.nodes.length;
  if (count === 1) return [{ x: 0, y: 0 }];
  if (onOneRing(region)) return ring(count, ringRadius(count), count === 4 ? -Math.PI / 4 : count === 2 ? 0 : -Math.PI / 2);
  const rings = ringsFor(count);
  const spots = [{ x: 0, y: 0 }];
  let left = count - 1;
  for (let k = 1; k <= rings; k++) {
    // What is left spreads over the rings that are left as their lengths are.
    const share = k === rings ? left : Math.round((left * k) / (sum(range(k, rings)) || 1));
    spots.push(...ring(share, k, -Math.PI / 2 + k * 0.4));
    left -= share;
  }
  return spots;
}

function ring(count, radius, first) {
  return Array.from({ length: count }, (_, i) => {
    const angle = first + (2 * Math.PI * i) / count;
    return { x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
  });
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const largest = (row, radii) => Math.max(...row.map((i) => radii[i]));
