// The pack at work: asked once a second while its half of the page is open and seen, and then not at all.

import { Emitter, whileSeen } from "../events.js";
import { pause, Problem } from "./client.js";

const HOUR_MS = 3_600_000;

/** Emits "change" when there is something else to show. */
export class Pack extends Emitter {
  isOpen = false;
  /** What there is, or null. @type {PackShown | null} */
  shown = null;
  letters = /** @type {LettersShown} */ ({ dead_letters: [], missing: null });
  why = "Waking show-pack…"; // is said where there is nothing to show
  /** The pods of the last hour that this page saw, by name. @type {Map<string, SeenPod>} */
  pods = new Map();

  /** @param {Client} client */
  constructor(client) {
    super();
    this.client = client;
    this.follow = whileSeen(() => this.isOpen, (signal) => this.#look(signal));
  }

  toggle() {
    this.isOpen = !this.isOpen;
    this.follow();
    this.emit("change");
  }

  /** Put the event of a dead letter back. Throws Problem, Unreachable or SignedOut. @param {DeadLetter} letter */
  async putBack({ position }) {
    await this.client.call("POST", `/pack/dead-letters/${position}/replay`);
    this.letters = await this.client.read("/pack/dead-letters");
    this.emit("change");
  }

  /** @param {AbortSignal} signal */
  async #look(signal) {
    for (let looks = 0; !signal.aborted; looks += 1) {
      try {
        this.#take(await this.client.read("/pack", signal));
        if (looks % 5 === 1) this.letters = await this.client.read("/pack/dead-letters", signal);
      } catch (error) {
        if (signal.aborted) return;
        this.shown = null;
        this.why = (error instanceof Problem && error.message) || "The pack cannot be reached just now.";
        if (error instanceof Problem) return this.emit("change"); // a refusal is not asked for again
      }
      this.emit("change");
      await pause(this.shown ? 1 : 10, signal);
    }
  }

  /** @param {PackShown} shown */
  #take(shown) {
    const seen = Date.parse(shown.at);
    for (const { function: name, pods } of shown.functions) {
      for (const pod of pods) this.pods.set(pod.name, { function: name, made: Date.parse(pod.created_at), seen, start: pod.start_ms });
    }
    for (const [name, pod] of this.pods) if (pod.seen < seen - HOUR_MS) this.pods.delete(name);
    this.shown = shown;
  }

  /** The pod-seconds of the last hour, as far as this page saw them. */
  get podSeconds() {
    const from = Date.parse(this.shown?.at ?? "") - HOUR_MS;
    return [...this.pods.values()].reduce((sum, { made, seen }) => sum + (seen - Math.max(made, from)) / 1000, 0);
  }
}
