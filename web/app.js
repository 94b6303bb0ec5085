// The page: messages of the node are applied and drawn together, at most once per animation frame.

import { Bars } from "./bars.js";
import { Broadcasts } from "./broadcasts.js";
import { Counts } from "./counts.js";
import { byId } from "./dom.js";
import { Feed } from "./feed.js";
import { ClusterMap } from "./map.js";
import { SendBox } from "./send.js";
import { Shown } from "./shown.js";
import { State } from "./state.js";
import { Status } from "./status.js";
import { NodeTable } from "./table.js";

const state = new State();
const waiting = []; // messages, as they came
let frame = null;
let frames = 0;

const status = new Status();
const map = new ClusterMap((node) => shown.describe(node), requestFrame);
const shown = new Shown(map, state, () => broadcasts.keep(), requestFrame);
const broadcasts = new Broadcasts((one) => shown.take(one), requestFrame);
const table = new NodeTable(requestFrame);
const counts = new Counts();
const tags = new Bars("tags", "tag", byId("tags"), byId("no-tags"));
const drops = new Bars("drops", "drop", byId("drops"), byId("no-drops"), (reason) => reason.replaceAll("_", " "));
const sendBox = new SendBox((order) => feed.send(order), (id) => broadcasts.pin(id));

const feed = new Feed(
  (text) => {
    waiting.push(text);
    // Behind another tab no frame comes, and messages would pile up.
    if (document.hidden) applyWaiting();
    requestFrame();
  },
  (connection, why) => {
    status.connection(connection, why);
    if (connection === "disconnected") sendBox.lost();
  },
);

function requestFrame() {
  frame ??= requestAnimationFrame(draw);
}

function applyWaiting() {
  for (const text of waiting.splice(0)) {
    const message = JSON.parse(text);
    if (!state.apply(message)) sendBox.answer(message);
  }
}

function draw(now) {
  frame = null;
  const measured = waiting.length > 0;
  if (measured) performance.mark("chatter-frame-start");
  applyWaiting();
  if (state.known) {
    const changed = state.takeChanged();
    status.update(state, changed);
    const moved = map.update(state, changed);
    broadcasts.update(state, changed, now);
    if (moved) shown.redraw();
    shown.replay.advance(now);
    table.update(state, changed, now);
    counts.update(state, changed);
    tags.update(state, changed);
    drops.update(state, changed);
    sendBox.update(state, changed);
  }
  if (measured) {
    performance.measure("chatter-frame", "chatter-frame-start");
    performance.clearMarks("chatter-frame-start");
    // Kept by the browser for observers, not for ever: ten a second for days would fill the memory.
    if (++frames % 1000 === 0) performance.clearMeasures("chatter-frame");
  }
}

feed.start();
