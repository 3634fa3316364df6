// Writes on their way: each is kept until it was answered, and carries the key that makes it safe to send again.

import { Problem, SignedOut, Unreachable } from "../api/client.js";
import { Emitter } from "../events.js";

/** Of writes that are no call of their own below the task, as complete is. @type {Record<string, string>} */
const METHODS = { create: "POST", change: "PATCH", delete: "DELETE" };

/**
 * Emits "change" at each change of what waits, "done" ({write, task}), "conflict" (write) for one whose version has
 * passed, and "refused" ({write, problem}).
 */
export class Queue extends Emitter {
  waiting = /** @type {Write[]} */ ([]);
  #isSending = false;
  #timer = 0;
  #last = 0;

  /** @param {Client} client @param {Database} database */
  constructor(client, database) {
    super();
    this.client = client;
    this.database = database;
  }

  /** Take up what was left from before. */
  async open() {
    this.waiting = (await this.database.writes()).sort((one, other) => one.at - other.at);
    this.emit("change");
    void this.send();
  }

  /**
   * Put a write behind the others and send what can be sent. `delay` (ms) leaves time to undo.
   * @param {Kind} kind @param {Subject} task @param {Fields} [fields] @param {number} [delay]
   */
  add(kind, task, fields = {}, delay = 0) {
    this.#last = Math.max(Date.now(), this.#last + 1);
    const { task_id: id, version, title } = task;
    const notBefore = delay && Date.now() + delay;
    const write = { key: crypto.randomUUID(), at: this.#last, kind, id, version, title, fields, notBefore };
    this.waiting.push(write);
    void this.database.keep(write);
    this.emit("change");
    void this.send();
    return write;
  }

  /** Take out a write that was answered, or is taken back. @param {Write} write */
  drop(write) {
    this.waiting = this.waiting.filter((each) => each !== write);
    void this.database.keep(write, true);
    this.emit("change");
  }

  /** Send what waits, in order. `isLast`: the page is about to go, so nothing waits for an undo any more. */
  async send(isLast = false) {
    if (this.#isSending && !isLast) return;
    this.#isSending = true;
    clearTimeout(this.#timer);
    try {
      // None before the time for its undo is over, nor before an earlier one of the same task.
      const isFirst = (/** @type {Write} */ write) => this.waiting.find((each) => each.id === write.id) === write;
      const next = () => this.waiting.find((each) => isLast || (each.notBefore <= Date.now() && isFirst(each)));
      for (let write = next(); write; write = next()) {
        if (isLast) write.notBefore = 0;
        if (!(await this.#sent(write, isLast))) break;
      }
    } finally {
      this.#isSending = false;
    }
    if (!this.waiting.length || !navigator.onLine || document.visibilityState !== "visible") return;
    const soonest = Math.min(...this.waiting.map((each) => each.notBefore || Date.now() + 5000));
    this.#timer = window.setTimeout(() => void this.send(), Math.max(soonest - Date.now(), 50));
  }

  /** Send one; false where nothing can be sent for now. @param {Write} write @param {boolean} keepalive */
  async #sent(write, keepalive) {
    try {
      const task = await this.#answer(write, keepalive);
      this.drop(write);
      // What waits behind a write of the same task was made on top of it.
      for (const each of this.waiting.filter(({ id }) => task && id === write.id)) {
        void this.database.keep(Object.assign(each, { id: task?.task_id, version: task?.version }));
      }
      this.emit("done", { write, task });
    } catch (error) {
      if (error instanceof Unreachable || error instanceof SignedOut) {
        this.emit("change");
        return false;
      }
      if (!(error instanceof Problem)) throw error;
      if (error.title === "Being handled" || error.status === 429) return false;
      this.drop(write);
      if (error.status === 412) this.emit("conflict", write);
      else this.emit("refused", { write, problem: error });
    }
    this.emit("change");
    return true;
  }

  /** @param {Write} write @param {boolean} keepalive @returns {Promise<Task | null>} */
  async #answer({ key, kind, id, version, fields }, keepalive) {
    const path = kind === "create" ? "/tasks" : kind in METHODS ? `/tasks/${id}` : `/tasks/${id}/${kind}`;
    const headers = { "Idempotency-Key": key, ...(version && { "If-Match": `"${version}"` }) };
    const body = Object.keys(fields).length ? fields : undefined;
    const answer = await this.client.call(METHODS[kind] ?? "POST", path, { body, headers, keepalive });
    return answer.status === 204 ? null : answer.json();
  }
}

/** A task as it will be once a write was answered; null for one that will be gone. @param {Task} task @param {Write} write */
export function applied(task, { kind, fields }) {
  if (kind === "delete") return null;
  if (kind === "complete" || kind === "reopen") return { ...task, completed: kind === "complete" };
  return kind === "change" ? { ...task, ...fields } : task;
}

/** The task that a create will make. @param {Write} write @returns {Task} */
export function drafted({ id, at, title, fields }) {
  const now = new Date(at).toISOString();
  return {
    description: null, priority: "medium", tags: [], due_at: null, due_on: null, time_zone: "UTC", reminders: null,
    snoozed_until: null, recurrence_pattern: null, recurrence_paused: false, series_id: null, completed: false,
    completed_at: null, version: 0, created_at: now, updated_at: now, title, ...fields, task_id: id,
  };
}
