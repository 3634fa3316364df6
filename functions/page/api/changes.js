// Changes as they happen: a stream of server-sent events while the page is seen, or a look now and then without one.

import { Problem, SignedOut } from "./client.js";

const POLL_SECONDS = 15;
const RETRY_SECONDS = [1, 2, 5, 10, 30];

/**
 * Dispatches "task" and "deleted" (detail: what changed), and "look" when the list has to be read again. It runs while
 * the page is visible and the browser online; otherwise nothing is asked, so that every function can sleep.
 */
export class Changes extends EventTarget {
  #cursor = "";
  #canStream = true;
  #failures = 0;
  /** @type {AbortController | null} */
  #running = null;

  /** @param {import("./client.js").Client} client */
  constructor(client) {
    super();
    this.client = client;
    for (const [target, event] of /** @type {const} */ ([[document, "visibilitychange"], [window, "online"], [window, "offline"]])) {
      target.addEventListener(event, () => this.follow());
    }
  }

  /** Begin or end, as the page is seen or not. */
  follow() {
    const wanted = document.visibilityState === "visible" && navigator.onLine && this.client.session.isSignedIn;
    if (wanted && !this.#running) {
      this.#running = new AbortController();
      void this.#follow(this.#running.signal);
    } else if (!wanted && this.#running) {
      this.#running.abort();
      this.#running = null;
    }
  }

  /** @param {AbortSignal} signal */
  async #follow(signal) {
    while (!signal.aborted) {
      try {
        if (this.#canStream) await this.#stream(signal);
        else {
          await pause(POLL_SECONDS, signal);
          this.dispatchEvent(new Event("look"));
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof SignedOut) break;
        await this.#recover(error, signal);
      }
    }
    this.#running = null;
  }

  /** @param {unknown} error @param {AbortSignal} signal */
  async #recover(error, signal) {
    const status = error instanceof Problem ? error.status : 0;
    if (status === 410) {
      this.#cursor = ""; // too old: begin at the present, and read the list again
      this.dispatchEvent(new Event("look"));
    } else if (status >= 400 && status < 500 && status !== 429) {
      this.#canStream = false; // this back end has no stream
    } else {
      await pause(RETRY_SECONDS[Math.min(this.#failures++, RETRY_SECONDS.length - 1)], signal);
      if (!this.#cursor) this.dispatchEvent(new Event("look"));
    }
  }

  /** @param {AbortSignal} signal */
  async #stream(signal) {
    const headers = { Accept: "text/event-stream", ...(this.#cursor && { "Last-Event-ID": this.#cursor }) };
    const answer = await this.client.call("GET", "/tasks/events", { headers, signal });
    if (!answer.body || !answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      throw new Problem(404, {});
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#failures = 0;
      const blocks = (rest + value).replace(/\r\n?/g, "\n").split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) this.#take(block);
    }
  }

  /** One event of the stream (WHATWG HTML, 9.2.6). @param {string} block */
  #take(block) {
    /** @type {Record<string, string>} */
    const fields = {};
    for (const line of block.split("\n")) {
      const [, name, value] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
      if (name) fields[name] = name in fields && name === "data" ? `${fields[name]}\n${value}` : value;
    }
    if (fields.event === "task" || fields.event === "deleted") {
      this.dispatchEvent(new CustomEvent(fields.event, { detail: JSON.parse(fields.data) }));
    }
    if (fields.event === "ready" && !this.#cursor) this.dispatchEvent(new Event("look"));
    if (fields.id) this.#cursor = fields.id;
  }
}

/** @param {number} seconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(seconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
