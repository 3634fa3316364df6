// What a person can do, in one place: each is put into the queue, and says how to take it back.

import { applied } from "./store/queue.js";
import { choose } from "./views/conflict.js";
import { toast } from "./views/toasts.js";

const UNDO_MS = 6000;

export class Actions {
  /** @param {Client} client @param {Tasks} tasks @param {Queue} queue */
  constructor(client, tasks, queue) {
    this.client = client;
    this.tasks = tasks;
    this.queue = queue;
    queue.on("conflict", (write) => void this.#settle(write));
    queue.on("refused", ({ write, problem }) => toast(`“${short(write.title)}”: ${problem.message}`));
  }

  /** @param {Fields} fields */
  create(fields) {
    const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
    this.queue.add("create", { task_id: `new-${crypto.randomUUID()}`, version: null, title: fields.title }, given);
  }

  /** Change what differs. @param {Task} task @param {Fields} fields */
  change(task, fields) {
    const before = /** @type {Fields} */ (task);
    const told = (/** @type {any} */ value, /** @type {string} */ name) =>
      name === "due_at" && value ? Date.parse(value) : JSON.stringify(value);
    const changed = Object.entries(fields).filter(([name, value]) => told(before[name], name) !== told(value, name));
    if (changed.length) this.queue.add("change", task, Object.fromEntries(changed));
  }

  /** @param {Task} task */
  toggle(task) {
    const write = this.queue.add(task.completed ? "reopen" : "complete", task);
    const isUnsent = () => this.queue.waiting.includes(write) && !navigator.onLine;
    const reopen = () => (isUnsent() ? this.queue.drop(write) : this.queue.add("reopen", this.tasks.known.get(write.id) ?? task));
    if (!task.completed) toast(`Done: “${short(task.title)}”`, { label: "Undo", run: () => void reopen() });
  }

  /** @param {Task} task @param {string} duration ISO 8601 */
  snooze(task, duration) {
    this.queue.add("snooze", task, { duration });
    toast(`“${short(task.title)}” is silent for a while.`);
  }

  /** The task is gone at once, and deleted when the time to undo is over. @param {Task} task */
  remove(task) {
    const write = this.queue.add("delete", task, {}, UNDO_MS);
    toast(`Deleted “${short(task.title)}”`, { label: "Undo", run: () => this.queue.drop(write) });
  }

  /** A write that was made on top of a version which is no longer. @param {Write} write */
  async #settle(write) {
    const before = this.tasks.known.get(write.id);
    /** @type {Task | null | undefined} null where it is gone */
    const theirs = await this.client.read(`/tasks/${write.id}`).catch(({ status }) => (status === 404 ? null : undefined));
    if (!before || theirs === undefined) return;
    if (theirs) this.tasks.take(theirs);
    else this.tasks.drop(write.id);
    const mine = applied(before, write) ?? before;
    if (theirs && ["complete", "reopen"].includes(write.kind) && theirs.completed === mine.completed) return;
    if ((await choose(mine, theirs)) && theirs) this.queue.add(write.kind, theirs, write.fields);
  }
}

/** @param {string} text */
const short = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);
