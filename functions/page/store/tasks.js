// The tasks that are shown: what the server said, what is waiting to be sent on top of it, and how old that is.

import { get, list } from "../api/tasks.js";
import { SignedOut, Unreachable } from "../api/client.js";
import { applied, drafted } from "./queue.js";
import { comparison, matches } from "./query.js";

/**
 * @typedef {import("../api/tasks.js").Task} Task
 * @typedef {import("../api/tasks.js").Query} Query
 */

const KEPT = 500; // tasks that the browser keeps for reading offline

/** Dispatches "change" when there is something else to show, and "problem" (detail: Problem). */
export class Tasks extends EventTarget {
  /** @type {Map<number | string, Task>} */
  known = new Map();
  /** @type {(number | string)[]} */
  #order = [];
  /** @type {string | null} */
  next = null;
  isLoading = true;
  /** When the server last said what there is, in ms; 0: never. */
  freshAt = 0;
  /** Whether the last try to read reached nobody. */
  isStale = false;
  /** @type {Query} */
  query = { status: "open", priority: "", tag: "", text: "", sort: "due" };
  #turn = 0;

  /**
   * @param {import("../api/client.js").Client} client @param {import("./queue.js").Queue} queue
   * @param {import("./database.js").Database} database
   */
  constructor(client, queue, database) {
    super();
    this.client = client;
    this.queue = queue;
    this.database = database;
    queue.addEventListener("change", () => this.#changed());
    queue.addEventListener("done", (event) => this.#done(/** @type {CustomEvent} */ (event).detail));
  }

  /** Show what the browser kept. */
  async open() {
    const kept = await this.database.get("tasks");
    for (const task of kept?.tasks ?? []) this.known.set(task.task_id, task);
    this.freshAt = kept?.freshAt ?? 0;
    this.#sortLocally();
    this.#changed();
  }

  /** Read the list anew, as the query says. @param {Partial<Query>} [query] */
  async load(query = {}) {
    this.query = { ...this.query, ...query };
    if (Object.keys(query).length) {
      this.#sortLocally();
      this.#changed();
    }
    const turn = ++this.#turn;
    await this.#read(async () => {
      const page = await list(this.client, this.query);
      if (turn !== this.#turn) return;
      this.#order = page.tasks.map((each) => each.task_id);
      this.next = page.next_cursor;
      this.#learn(page.tasks);
    });
  }

  /** Read the page behind those that are shown. */
  async more() {
    await this.#read(async () => {
      const page = await list(this.client, this.query, this.next);
      this.#order = [...new Set([...this.#order, ...page.tasks.map((each) => each.task_id)])];
      this.next = page.next_cursor;
      this.#learn(page.tasks);
    });
  }

  /** The task as the server has it now; null where it is gone. @param {number | string} id */
  async fetch(id) {
    try {
      const task = await get(this.client, id);
      this.take(task);
      return task;
    } catch (error) {
      if (/** @type {any} */ (error).status !== 404) throw error;
      this.drop(id, Infinity);
      return null;
    }
  }

  /** A task that the server told of. @param {Task} task */
  take(task) {
    const before = this.known.get(task.task_id);
    if (before && before.version >= task.version) return;
    this.known.set(task.task_id, task);
    if (matches(task, this.query) && !this.#order.includes(task.task_id)) this.#insert(task);
    this.#save();
    this.#changed();
  }

  /** A task that is gone. @param {number | string} id @param {number} version */
  drop(id, version) {
    if ((this.known.get(id)?.version ?? 0) > version) return;
    this.known.delete(id);
    this.#order = this.#order.filter((each) => each !== id);
    this.#save();
    this.#changed();
  }

  /** What to show, in order: with all that waits to be sent, and new ones first. @returns {Task[]} */
  shown() {
    const found = /** @type {Task[]} */ (this.#order.map((id) => this.known.get(id)).filter(Boolean));
    const drafts = this.queue.waiting.filter((each) => each.kind === "create").map(drafted).reverse();
    return [...drafts, ...found].map((task) => this.expected(task)).filter((task) => task !== null);
  }

  /** A task as it will be. @param {Task} task @returns {Task | null} */
  expected(task) {
    const writes = this.queue.waiting.filter((each) => each.id === task.task_id);
    return writes.reduce((/** @type {Task | null} */ so, each) => so && applied(so, each), task);
  }

  /** Every tag of the tasks at hand, the most frequent first. */
  tags() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const task of this.known.values()) for (const tag of task.tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    return [...counts.keys()].sort((one, other) => (counts.get(other) ?? 0) - (counts.get(one) ?? 0));
  }

  /** @param {() => Promise<void>} reading */
  async #read(reading) {
    this.isLoading = true;
    try {
      await reading();
      this.freshAt = Date.now();
      this.isStale = false;
      this.#save();
    } catch (error) {
      this.isStale = true;
      if (!(error instanceof Unreachable || error instanceof SignedOut)) {
        this.dispatchEvent(new CustomEvent("problem", { detail: error }));
      }
    }
    this.isLoading = false;
    this.#changed();
  }

  /** @param {{write: import("./queue.js").Write, task: Task | null}} done */
  #done({ write, task }) {
    if (!task) return this.drop(write.id, Infinity);
    if (write.kind === "create") this.#order = [task.task_id, ...this.#order.filter((id) => id !== task.task_id)];
    this.take(task);
    this.#changed();
  }

  /** @param {Task[]} tasks */
  #learn(tasks) {
    for (const task of tasks) {
      if ((this.known.get(task.task_id)?.version ?? 0) <= task.version) this.known.set(task.task_id, task);
    }
  }

  /** Put a task where the order has it. @param {Task} task */
  #insert(task) {
    const before = comparison(this.query.sort);
    const at = this.#order.findIndex((id) => before(task, /** @type {Task} */ (this.known.get(id))) < 0);
    if (at < 0) this.#order.push(task.task_id);
    else this.#order.splice(at, 0, task.task_id);
  }

  #sortLocally() {
    const found = [...this.known.values()].filter((task) => matches(task, this.query));
    this.#order = found.sort(comparison(this.query.sort)).map((task) => task.task_id);
    this.next = null;
  }

  #save() {
    const tasks = [...this.known.values()].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1)).slice(0, KEPT);
    void this.database.set("tasks", { tasks, freshAt: this.freshAt });
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
