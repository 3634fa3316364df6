// What a person can do, in one place: each is put into the queue, and says how to take it back.

import { applied } from "./store/queue.js";
import { choose } from "./views/conflict.js";
import { toast } from "./views/toasts.js";

/**
 * @typedef {import("./api/tasks.js").Task} Task
 * @typedef {import("./store/queue.js").Write} Write
 */

const UNDO_MS = 6000;

export class Actions {
  /**
   * @param {import("./api/client.js").Client} client @param {import("./store/tasks.js").Tasks} tasks
   * @param {import("./store/queue.js").Queue} queue
   */
  constructor(client, tasks, queue) {
    this.client = client;
    this.tasks = tasks;
    this.queue = queue;
    queue.addEventListener("conflict", (event) => void this.#settle(/** @type {CustomEvent} */ (event).detail.write));
    queue.addEventListener("refused", (event) => {
      const { write, problem } = /** @type {CustomEvent} */ (event).detail;
      toast(`“${short(write.title)}”: ${problem.message}`);
    });
  }

  /** @param {Record<string, any>} fields */
  create(fields) {
    const id = `new-${crypto.randomUUID()}`;
    const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
    this.queue.add("create", { task_id: id, version: null, title: fields.title }, given);
  }

  /** Change what differs. @param {Task} task @param {Record<string, any>} fields */
  change(task, fields) {
    const before = /** @type {Record<string, any>} */ (task);
    const same = (/** @type {string} */ name) =>
      name === "due_at" && before[name] && fields[name]
        ? Date.parse(before[name]) === Date.parse(fields[name])
        : JSON.stringify(before[name]) === JSON.stringify(fields[name]);
    const changed = Object.fromEntries(Object.entries(fields).filter(([name]) => !same(name)));
    if (Object.keys(changed).length) this.queue.add("change", task, changed);
  }

  /** @param {Task} task */
  toggle(task) {
    this.queue.add(task.completed ? "reopen" : "complete", task);
    if (!task.completed) {
      toast(`Done: “${short(task.title)}”`, { label: "Undo", run: () => this.#reopen(task) });
    }
  }

  /** @param {Task} task */
  skip(task) {
    this.queue.add("skip", task);
  }

  /** @param {Task} task @param {string} duration ISO 8601 */
  snooze(task, duration) {
    this.queue.add("snooze", task, { duration });
    toast(`“${short(task.title)}” is silent for a while.`);
  }

  /** The task is gone at once, and deleted when the time to undo is over. @param {Task} task */
  remove(task) {
    const write = this.queue.add("delete", task, {}, UNDO_MS);
    toast(`Deleted “${short(task.title)}”`, { label: "Undo", run: () => this.queue.undo(write) });
  }

  /** @param {Partial<import("./api/tasks.js").Query>} query */
  filter(query) {
    void this.tasks.load(query);
  }

  /** @param {Task} task */
  #reopen(task) {
    const unsent = this.queue.waiting.find((each) => each.id === task.task_id && each.kind === "complete");
    if (unsent && !navigator.onLine) return this.queue.undo(unsent);
    const now = this.tasks.known.get(task.task_id) ?? task;
    this.queue.add("reopen", now);
  }

  /** A write that was made on top of a version which is no longer. @param {Write} write */
  async #settle(write) {
    const before = this.tasks.known.get(write.id);
    const theirs = await this.tasks.fetch(write.id).catch(() => undefined);
    if (!before || theirs === undefined) return;
    const mine = applied(before, write) ?? before;
    if (theirs && ["complete", "reopen"].includes(write.kind) && theirs.completed === mine.completed) return;
    if ((await choose(mine, theirs)) === "mine" && theirs) this.queue.add(write.kind, theirs, write.fields);
  }
}

/** @param {string} text */
const short = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);
