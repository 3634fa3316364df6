// Writes on their way: each is kept until it was answered, and carries the key that makes it safe to send again.

import { Problem, SignedOut, Unreachable } from "../api/client.js";

/**
 * @typedef {import("../api/tasks.js").Task} Task
 * @typedef {"create" | "change" | "complete" | "reopen" | "skip" | "snooze" | "dismiss" | "delete"} Kind
 * @typedef {{
 *   key: string, at: number, kind: Kind, id: number | string, version: number | null, title: string,
 *   fields: Record<string, any>, notBefore: number,
 * }} Write
 */

const ROUTES = {
  create: ["POST", ""],
  change: ["PATCH", ""],
  complete: ["POST", "/complete"],
  reopen: ["POST", "/reopen"],
  skip: ["POST", "/skip"],
  snooze: ["POST", "/snooze"],
  dismiss: ["POST", "/dismiss"],
  delete: ["DELETE", ""],
};
const RETRY_SECONDS = 5;

/**
 * Dispatches "change" at each change of what waits, "done" ({write, task}), "conflict" ({write}) for one whose version
 * has passed, and "refused" ({write, problem}).
 */
export class Queue extends EventTarget {
  /** @type {Write[]} */
  waiting = [];
  #isSending = false;
  #timer = 0;
  #last = 0;

  /** @param {import("../api/client.js").Client} client @param {import("./database.js").Database} database */
  constructor(client, database) {
    super();
    this.client = client;
    this.database = database;
  }

  /** Take up what was left from before. */
  async open() {
    this.waiting = await this.database.writes();
    this.dispatchEvent(new Event("change"));
    void this.send();
  }

  /**
   * Put a write behind the others and send what can be sent. `delay` (ms) leaves time to undo.
   * @param {Kind} kind @param {Task | {task_id: string, version: null, title: string}} task
   * @param {Record<string, any>} [fields] @param {number} [delay] @returns {Write}
   */
  add(kind, task, fields = {}, delay = 0) {
    this.#last = Math.max(Date.now(), this.#last + 1);
    const write = {
      key: crypto.randomUUID(), at: this.#last, kind, id: task.task_id, version: task.version, title: task.title,
      fields, notBefore: delay && Date.now() + delay,
    };
    this.waiting.push(write);
    void this.database.keep(write);
    this.dispatchEvent(new Event("change"));
    void this.send();
    return write;
  }

  /** Take back a write that was not sent. @param {Write} write */
  undo(write) {
    this.#remove(write);
    this.dispatchEvent(new Event("change"));
  }

  /** Send what waits, in order. `isLast`: the page is about to go, so nothing waits for an undo any more. */
  async send(isLast = false) {
    if (this.#isSending && !isLast) return;
    this.#isSending = true;
    clearTimeout(this.#timer);
    try {
      const next = () => this.waiting.find((each) => isLast || this.#mayGo(each));
      for (let write = next(); write; write = next()) {
        if (isLast) write.notBefore = 0;
        if (!(await this.#sent(write, isLast))) break;
      }
    } finally {
      this.#isSending = false;
    }
    const soonest = Math.min(...this.waiting.map((each) => each.notBefore || Date.now() + RETRY_SECONDS * 1000));
    if (this.waiting.length && navigator.onLine && document.visibilityState === "visible") {
      this.#timer = window.setTimeout(() => void this.send(), Math.max(soonest - Date.now(), 50));
    }
  }

  /** Whether a write need not wait for its undo, nor for an earlier one of the same task. @param {Write} write */
  #mayGo(write) {
    return write.notBefore <= Date.now() && this.waiting.find((each) => each.id === write.id) === write;
  }

  /** Send one; false where nothing can be sent for now. @param {Write} write @param {boolean} keepalive */
  async #sent(write, keepalive) {
    try {
      const task = await this.#answer(write, keepalive);
      this.#remove(write);
      this.#passOn(write, task);
      this.dispatchEvent(new CustomEvent("done", { detail: { write, task } }));
    } catch (error) {
      if (error instanceof Unreachable || error instanceof SignedOut) {
        this.dispatchEvent(new Event("change"));
        return false;
      }
      if (!(error instanceof Problem)) throw error;
      if (error.title === "Being handled" || error.status === 429) return false;
      this.#remove(write);
      const type = error.status === 412 ? "conflict" : "refused";
      this.dispatchEvent(new CustomEvent(type, { detail: { write, problem: error } }));
    }
    this.dispatchEvent(new Event("change"));
    return true;
  }

  /** @param {Write} write @param {boolean} keepalive @returns {Promise<Task | null>} */
  async #answer(write, keepalive) {
    const [method, behind] = ROUTES[write.kind];
    const path = write.kind === "create" ? "/tasks" : `/tasks/${write.id}${behind}`;
    /** @type {Record<string, string>} */
    const headers = { "Idempotency-Key": write.key };
    if (write.version) headers["If-Match"] = `"${write.version}"`;
    if (method === "PATCH") headers["Content-Type"] = "application/merge-patch+json";
    const hasBody = Object.keys(write.fields).length > 0 && method !== "DELETE";
    const query = method === "DELETE" && write.fields.scope ? `?scope=${write.fields.scope}` : "";
    const body = hasBody ? write.fields : undefined;
    const answer = await this.client.call(method, path + query, { body, headers, keepalive });
    return answer.status === 204 ? null : answer.json();
  }

  /** What waits behind a write of the same task was made on top of it. @param {Write} done @param {Task | null} task */
  #passOn(done, task) {
    for (const each of this.waiting) {
      if (each.id !== done.id || !task) continue;
      each.id = task.task_id;
      each.version = task.version;
      void this.database.keep(each);
    }
  }

  /** @param {Write} write */
  #remove(write) {
    this.waiting = this.waiting.filter((each) => each !== write);
    void this.database.drop(write.key);
  }
}

/**
 * A task as it will be once a write was answered; null for one that will be gone.
 * @param {Task} task @param {Write} write @returns {Task | null}
 */
export function applied(task, write) {
  switch (write.kind) {
    case "delete":
      return null;
    case "complete":
      return { ...task, completed: true };
    case "reopen":
      return { ...task, completed: false };
    case "change":
      return { ...task, ...write.fields };
    default:
      return task;
  }
}

/** The task that a create will make. @param {Write} write @returns {Task} */
export function drafted(write) {
  const now = new Date(write.at).toISOString();
  return {
    description: null, priority: "medium", tags: [], due_at: null, due_on: null, time_zone: "UTC", reminders: null,
    snoozed_until: null, recurrence_pattern: null, recurrence_paused: false, series_id: null, completed: false,
    completed_at: null, version: 0, created_at: now, updated_at: now, title: write.title, ...write.fields,
    task_id: write.id,
  };
}
