// The connection to the node: messages in, orders out, and back again by itself.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
const TOKEN_NEEDED = 4401;
const TRY_LATER = 1013;

// A node tells a sample each second. Where the network just stops, or the node is frozen, a browser
// may hold the connection open for many minutes: so long a silence is its end.
const SILENCE_MS = 12000;
const LOOK_MS = 2000;

const ASK_MS = 5000; // for an answer that tells whether a connection is worth trying

export class Feed {
  /**
   * @param onMessage takes each message, parsed by whoever wants it: as text
   * @param onState takes "connecting", "connected" or "disconnected", and why: "", "token", "refused" or "full"
   */
  constructor(onMessage, onState) {
    this.onMessage = onMessage;
    this.onState = onState;
    this.pause = FIRST_PAUSE_MS;
    this.socket = null;
    this.timer = null;
    this.heardAt = 0;
  }

  start() {
    // A machine that wakes up, or a tab that comes to the front, need not sit out a pause.
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    setInterval(() => this.listen(), LOOK_MS);
    this.onState("connecting", "");
    this.open();
  }

  /** Whether it was handed to the connection. */
  send(order) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(order));
    return true;
  }

  hurry() {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.retry();
  }

  open() {
    const url = new URL("./ws", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = url.hash = "";
    const socket = new WebSocket(url);
    this.socket = socket;
    this.heardAt = performance.now();
    socket.onmessage = (event) => {
      this.heardAt = performance.now();
      // Not at the opening: a node that is being stopped opens and says nothing.
      this.pause = FIRST_PAUSE_MS;
      this.onState("connected", "");
      this.onMessage(event.data);
    };
    socket.onclose = (event) => this.lost({ [TOKEN_NEEDED]: "token", [TRY_LATER]: "full" }[event.code] ?? "");
  }

  listen() {
    const { socket } = this;
    if (socket === null || performance.now() - this.heardAt < SILENCE_MS) return;
    // Its close event may take as long as the silence would: it must not come in a second time.
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.lost("");
  }

  lost(why) {
    this.socket = null;
    this.onState("disconnected", why);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.retry();
    }, this.pause);
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 1.6);
  }

  // A browser does not tell a script why a WebSocket was refused, but it does tell the status of a
  // request, and logs one line for a failed one as for the other: so ask first.
  async retry() {
    let answer = null;
    try {
      const asked = { method: "HEAD", cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(ASK_MS) };
      answer = await fetch("./", asked);
    } catch {
      // Nobody there: that is what the next pause is for.
    }
    if (answer === null || answer.status >= 500) this.lost("");
    else if (isRefused(answer)) this.lost(wantsToken(answer) ? "token" : "refused");
    else this.open();
  }
}

// By the node, or by the application around it, which may also send who is no longer logged in to
// another page.
function isRefused({ status, type }) {
  return status === 401 || status === 403 || type === "opaqueredirect";
}

// The node does; an application has its own ways to log in.
function wantsToken({ status, headers }) {
  return status === 401 && /^bearer\b/i.test(headers.get("WWW-Authenticate") ?? "");
}
