// A shop and its stock, two members of a cluster, from Node.js by the sidecar.
// Run it: node examples/sidecar_node/main.mjs
//
// Here both are in one program and pinned to loopback. In earnest each is a program of its own, and
// any of them may be in Python.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { Chatter } from "./chatter.mjs";

process.env.CHATTER_KEY ??= execFileSync("chatter", ["keygen"], { encoding: "utf8" }).trim();
const options = ["--address", "127.0.0.1:0", "--interface", "127.0.0.1"];

const [shop, stock] = await Promise.all([Chatter.start(options), Chatter.start(options)]);

stock.on("message:order", async (order, { origin }) => {
  console.log(`stock: ${order.count} ${order.article} for ${order.customer}`);
  await stock.broadcast("reserved", { article: order.article }, { to: [origin] });
});

// They find each other by themselves, which takes a moment.
while (!(await shop.peers()).some((peer) => peer.address === stock.address)) {
  await new Promise((resolve) => setTimeout(resolve, 100));
}

const reserved = once(shop, "message:reserved");
const order = { article: "lamps", count: 2, customer: "Ada" };
const receipt = await shop.broadcast("order", order, { confirm: true, timeout_s: 5 });
console.log(`shop: ${receipt.delivered.length} delivered, ${receipt.missing.length} missing`);

const [{ article }] = await reserved;
console.log(`shop: ${article} are reserved`);

try {
  await shop.broadcast("", "a tag is never empty");
} catch (error) {
  console.log(`shop: refused: ${error.message}`);
}

const statuses = await Promise.all([shop.leave(), stock.leave()]);
process.exitCode = statuses.every((status) => status === 0) ? 0 : 1;
