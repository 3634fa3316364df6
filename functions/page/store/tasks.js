// The tasks that are shown: what the server said, what is waiting to be sent on top of it, and how old that is.

import { SignedOut, Unreachable } from "../api/client.js";
import { Emitter } from "../events.js";
import { comparison, matches } from "./query.js";
import { applied, drafted } from "./queue.js";

const PAGE = 30; // tasks that are asked for at once
const KEPT = 500; // tasks that the browser keeps for reading offline

/** Emits "change" when there is something else to show, and "problem" with what the server says. */
export class Tasks extends Emitter {
  known = /** @type {Map<number | string, Task>} */ (new Map());
  #order = /** @type {(number | string)[]} */ ([]);
  next = /** @type {string | null} */ (null);
  /** When the server last said what there is, in ms; 0: never. */
  freshAt = 0;
  /** Whether the last try to read reached nobody. */
  isStale = false;
  /** @type {Query} */
  query = { status: "open", priority: "", tag: "", text: "", sort: "due" };
  /** How many are to be shown, if there are so many: a list that is read anew has as many pages as before. */
  #wanted = PAGE;
  #turn = 0;
  #reads = 0;
  /** What was told while the list was read, and may be newer than the list. @type {(() => void)[]} */
  #meanwhile = [];

  /** @param {Client} client @param {Queue} queue @param {Database} database */
  constructor(client, queue, database) {
    super();
    this.client = client;
    this.queue = queue;
    this.database = database;
    queue.on("change", () => this.emit("change"));
    queue.on("done", ({ write, task }) => this.#done(write, task));
  }

  /** Show what the browser kept. */
  async open() {
    const kept = await this.database.get("tasks");
    for (const task of kept?.tasks ?? []) this.known.set(task.task_id, task);
    this.freshAt = kept?.freshAt ?? 0;
    this.#sortLocally();
  }

  /** Read the list anew, as the query says. @param {Partial<Query>} [query] */
  async load(query) {
    this.query = { ...this.query, ...query };
    if (query) this.#wanted = PAGE;
    if (query) this.#sortLocally();
    await this.#read(null, ++this.#turn);
  }

  /** Read the page behind those that are shown. */
  async more() {
    this.#wanted = this.#order.length + PAGE;
    await this.#read(this.next, this.#turn);
  }

  /** A task that the server told of. @param {Task} task */
  take(task) {
    const { task_id: id } = task;
    if (!this.#reads && (this.known.get(id)?.version ?? 0) >= task.version) return;
    this.#apply(() => {
      this.#learn(task);
      const known = /** @type {Task} */ (this.known.get(id));
      if (!matches(known, this.query) || this.#order.includes(id)) return;
      const before = comparison(this.query.sort);
      const at = this.#order.findIndex((each) => before(known, /** @type {Task} */ (this.known.get(each))) < 0);
      this.#order.splice(at < 0 ? this.#order.length : at, 0, id);
    });
  }

  /** A task that is gone. @param {number | string} id @param {number} [version] */
  drop(id, version = Infinity) {
    this.#apply(() => {
      if ((this.known.get(id)?.version ?? 0) > version) return;
      this.known.delete(id);
      this.#order = this.#order.filter((each) => each !== id);
    });
  }

  /** What to show, in order: with all that waits to be sent, and new ones first. @returns {Task[]} */
  shown() {
    const { waiting } = this.queue;
    const drafts = waiting.filter((each) => each.kind === "create").map(drafted).reverse();
    const found = [...drafts, ...this.#order.map((id) => this.known.get(id))];
    return found.flatMap((task) => {
      const writes = waiting.filter((each) => each.id === task?.task_id);
      return writes.reduce((so, each) => so && applied(so, each), task ?? null) ?? [];
    });
  }

  /** Every tag of the tasks at hand, the most frequent first. */
  tags() {
    const counts = /** @type {Map<string, number>} */ (new Map());
    for (const tag of [...this.known.values()].flatMap((task) => task.tags)) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    return [...counts].sort(([, one], [, other]) => other - one).map(([tag]) => tag);
  }

  /** Read pages from one on, which are taken unless the list was asked for anew meanwhile. @param {string | null} first @param {number} turn */
  async #read(first, turn) {
    this.#reads++;
    try {
      const found = /** @type {Task[]} */ ([]);
      let cursor = first;
      do {
        const asked = Object.entries({ ...this.query, limit: String(PAGE), cursor: cursor ?? "" }).filter(([, value]) => value);
        const page = await this.client.read(`/tasks?${new URLSearchParams(asked)}`);
        found.push(...page.tasks);
        cursor = page.next_cursor;
      } while (cursor && turn === this.#turn && found.length + (first ? this.#order.length : 0) < this.#wanted);
      if (turn === this.#turn) {
        this.#order = [...new Set([...(first ? this.#order : []), ...found.map((each) => each.task_id)])];
        this.next = cursor;
        found.forEach((each) => this.#learn(each));
        this.#meanwhile.forEach((apply) => apply());
      }
      this.freshAt = Date.now();
      this.isStale = false;
    } catch (error) {
      this.isStale = true;
      if (!(error instanceof Unreachable || error instanceof SignedOut)) this.emit("problem", error);
    }
    if (!--this.#reads) this.#meanwhile = [];
    this.#changed();
  }

  /** @param {Write} write @param {Task | null} task */
  #done(write, task) {
    if (!task) return this.drop(write.id);
    if (write.kind === "create") this.#order = [task.task_id, ...this.#order.filter((id) => id !== task.task_id)];
    this.take(task);
    this.emit("change");
  }

  /** Apply what was told, and again behind the list that is being read. @param {() => void} told */
  #apply(told) {
    if (this.#reads) this.#meanwhile.push(told);
    told();
    this.#changed();
  }

  /** Know what a task says, unless more is known. @param {Task} task */
  #learn(task) {
    if ((this.known.get(task.task_id)?.version ?? 0) < task.version) this.known.set(task.task_id, task);
  }

  #sortLocally() {
    const found = [...this.known.values()].filter((task) => matches(task, this.query));
    this.#order = found.sort(comparison(this.query.sort)).map((task) => task.task_id);
    this.next = null;
    this.emit("change");
  }

  #changed() {
    const tasks = [...this.known.values()].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1)).slice(0, KEPT);
    void this.database.set("tasks", { tasks, freshAt: this.freshAt });
    this.emit("change");
  }
}
