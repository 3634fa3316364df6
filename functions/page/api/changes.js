// Changes as they happen: a stream of server-sent events while the page is seen.

import { Emitter, whileSeen } from "../events.js";
import { pause, Problem, SignedOut } from "./client.js";

const RETRY_SECONDS = [1, 2, 5, 10, 30];

/** Emits "task" and "deleted" with what changed, and "look" when the list has to be read again. */
export class Changes extends Emitter {
  #cursor = "";
  #failures = 0;

  /** @param {Client} client */
  constructor(client) {
    super();
    this.client = client;
    /** Begin or end, as the page is seen or not. */
    this.follow = whileSeen(() => navigator.onLine && client.session.isSignedIn, (signal) => this.#follow(signal));
    for (const event of ["online", "offline"]) window.addEventListener(event, this.follow);
  }

  /** @param {AbortSignal} signal */
  async #follow(signal) {
    while (!signal.aborted) {
      try {
        await this.#stream(signal);
      } catch (error) {
        if (signal.aborted || error instanceof SignedOut) return;
        // A cursor that is too old (410) is none. Without one, whatever was missed is in the list.
        if (error instanceof Problem && error.status === 410 && this.#cursor) this.#cursor = "";
        else await pause(RETRY_SECONDS[Math.min(this.#failures++, RETRY_SECONDS.length - 1)], signal);
        if (!this.#cursor && !signal.aborted) this.emit("look");
      }
    }
  }

  /** @param {AbortSignal} signal */
  async #stream(signal) {
    const isFirst = !this.#cursor; // it may begin with changes, and what was before them is in the list
    const headers = { Accept: "text/event-stream", ...(this.#cursor && { "Last-Event-ID": this.#cursor }) };
    const answer = await this.client.call("GET", "/tasks/events", { headers, signal });
    const isStream = answer.headers.get("Content-Type")?.startsWith("text/event-stream");
    if (!answer.body || !isStream) throw new Problem(404, {});
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#failures = 0;
      const events = (rest + value).split("\n\n");
      rest = events.pop() ?? "";
      for (const text of events) {
        // Each field is a line (WHATWG HTML, 9.2.6).
        const { id, event, data } = Object.fromEntries(text.split("\n").map((line) => line.split(/: (.*)/, 2)));
        if (event === "task" || event === "deleted") this.emit(event, JSON.parse(data));
        if (event === "ready" && isFirst) this.emit("look");
        if (id) this.#cursor = id;
      }
    }
  }
}
