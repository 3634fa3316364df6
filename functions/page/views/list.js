// The list: rows that stay where they are while others come and go, so that the focus stays too.

import { h } from "./dom.js";
import { editedRow, shownRow } from "./row.js";

/** @typedef {import("../api/tasks.js").Task} Task */

export class ListView {
  /** @type {Map<number | string, {element: HTMLElement, shown: string}>} */
  #rows = new Map();
  /** @type {number | string | null} */
  #edited = null;

  /** @param {import("../actions.js").Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.list = h("ul.tasks", { "aria-label": "Tasks" });
    this.empty = h("div.empty");
    this.more = h("button.more", { type: "button", onclick: () => void actions.tasks.more() }, "Show more");
    this.element = h("section", { "aria-label": "Your tasks" }, this.list, this.empty, this.more);
    this.list.addEventListener("keydown", (event) => this.#move(event));
  }

  render() {
    const { tasks, queue } = this.actions;
    const shown = tasks.shown();
    const ids = new Set(shown.map((task) => task.task_id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      const next = row.element.contains(document.activeElement) && (row.element.nextElementSibling ?? row.element.previousElementSibling);
      row.element.remove();
      this.#rows.delete(id);
      if (next instanceof HTMLElement) /** @type {HTMLElement | null} */ (next.querySelector("[data-key=check]"))?.focus();
    }
    shown.forEach((task, at) => {
      const isWaiting = queue.waiting.some((each) => each.id === task.task_id);
      const element = this.#row(task, isWaiting);
      if (this.list.children[at] !== element) this.list.insertBefore(element, this.list.children[at] ?? null);
    });
    this.more.hidden = !tasks.next;
    this.empty.replaceChildren(...(shown.length ? [] : this.#nothing()));
  }

  /** @param {Task} task @param {boolean} isWaiting */
  #row(task, isWaiting) {
    const shown = JSON.stringify([task, isWaiting]);
    const row = this.#rows.get(task.task_id) ?? { element: h("li.task", { "data-id": task.task_id }), shown: "" };
    this.#rows.set(task.task_id, row);
    if (row.shown !== shown && this.#edited !== task.task_id) {
      const key = row.element.contains(document.activeElement) && document.activeElement?.getAttribute("data-key");
      row.element.className = `task ${task.priority}${task.completed ? " done" : ""}`;
      row.element.replaceChildren(...shownRow(task, this.actions, isWaiting, () => this.#edit(task.task_id)));
      row.shown = shown;
      if (key) /** @type {HTMLElement | null} */ (row.element.querySelector(`[data-key=${key}]`))?.focus();
    }
    return row.element;
  }

  /** @param {number | string} id */
  #edit(id) {
    if (this.#edited !== null) this.#close();
    const task = this.actions.tasks.shown().find((each) => each.task_id === id);
    const row = this.#rows.get(id);
    if (!task || !row) return;
    this.#edited = id;
    const [form, title] = editedRow(task, this.actions, () => this.#close());
    row.element.replaceChildren(form);
    title.focus();
  }

  #close() {
    const row = this.#edited !== null && this.#rows.get(this.#edited);
    this.#edited = null;
    if (!row) return;
    row.shown = "";
    this.render();
    /** @type {HTMLElement | null} */ (row.element.querySelector("[data-key=title]"))?.focus();
  }

  /** The arrows go from task to task. @param {KeyboardEvent} event */
  #move(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const by = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const key = target.dataset.key;
    if (!by || !key) return;
    const next = /** @type {any} */ (target.closest("li"))?.[by];
    next?.querySelector(`[data-key=${key}]`)?.focus();
    event.preventDefault();
  }

  #nothing() {
    const { query, isLoading, freshAt } = this.actions.tasks;
    if (isLoading && !freshAt) return [h("p.hint", {}, "Waking the functions…")];
    const isFiltered = query.text || query.tag || query.priority;
    if (isFiltered) {
      return [h("p.big", {}, "Nothing matches."), h("button", { type: "button", onclick: () => this.actions.filter({ text: "", tag: "", priority: "" }) }, "Clear the filters")];
    }
    /** @type {Record<string, string>} */
    const said = { open: "All clear.", overdue: "Nothing is late.", completed: "Nothing is done yet.", all: "No tasks yet." };
    return [h("p.big", {}, said[query.status]), h("p.hint", {}, query.status === "completed" ? "What you complete is kept here." : "Write down what is next, above.")];
  }
}
