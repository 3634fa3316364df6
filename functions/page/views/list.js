// The list: rows that stay where they are while others come and go, so that the focus stays too.

import { button, h } from "./dom.js";
import { editedRow, shownRow } from "./row.js";

/** @type {Record<string, string>} */
const NOTHING = { open: "All clear.", overdue: "Nothing is late.", completed: "Nothing is done yet.", all: "No tasks yet." };

export class ListView {
  /** @type {Map<number | string, {element: HTMLElement, shown: string}>} */
  #rows = new Map();
  /** @type {number | string | null} */
  #edited = null;

  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.list = h("ul.tasks", { "aria-label": "Tasks", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#move(event) });
    this.empty = h("div.empty");
    this.more = button("more", "Show more", () => void actions.tasks.more());
    this.element = h("section", { "aria-label": "Your tasks" }, this.list, this.empty, this.more);
  }

  render() {
    const { tasks, queue } = this.actions;
    const shown = tasks.shown();
    const ids = new Set(shown.map((task) => task.task_id));
    for (const [id, { element }] of this.#rows) {
      if (ids.has(id)) continue;
      const next = element.contains(document.activeElement) && (element.nextElementSibling ?? element.previousElementSibling);
      element.remove();
      this.#rows.delete(id);
      if (next) focus(next, "check");
    }
    shown.forEach((task, at) => {
      const element = this.#row(task, queue.waiting.some((each) => each.id === task.task_id));
      if (this.list.children[at] !== element) this.list.insertBefore(element, this.list.children[at] ?? null);
    });
    this.more.hidden = !tasks.next;
    this.empty.replaceChildren(...(shown.length ? [] : this.#nothing()));
  }

  /** @param {Task} task @param {boolean} isWaiting */
  #row(task, isWaiting) {
    const shown = JSON.stringify([task, isWaiting]);
    const row = this.#rows.get(task.task_id) ?? { element: h("li.task", { "data-id": task.task_id }), shown: "" };
    const { element } = row;
    this.#rows.set(task.task_id, row);
    if (row.shown !== shown && this.#edited !== task.task_id) {
      const key = element.contains(document.activeElement) && document.activeElement?.getAttribute("data-key");
      element.className = `task ${task.priority}${task.completed ? " done" : ""}`;
      element.replaceChildren(...shownRow(task, this.actions, isWaiting, () => this.#edit(task)));
      row.shown = shown;
      if (key) focus(element, key);
    }
    return element;
  }

  /** @param {Task} task */
  #edit(task) {
    this.#close();
    const [form, title] = editedRow(task, this.actions, () => this.#close());
    this.#edited = task.task_id;
    this.#rows.get(task.task_id)?.element.replaceChildren(form);
    title.focus();
  }

  #close() {
    const row = this.#edited !== null && this.#rows.get(this.#edited);
    this.#edited = null;
    if (!row) return;
    row.shown = "";
    this.render();
    focus(row.element, "title");
  }

  /** The arrows go from task to task. @param {KeyboardEvent} event */
  #move(event) {
    const { dataset, parentElement } = /** @type {HTMLElement} */ (event.target);
    const row = parentElement?.closest("li");
    if (!dataset.key || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    focus(event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling, dataset.key);
    event.preventDefault();
  }

  #nothing() {
    const { query, isStale, freshAt } = this.actions.tasks;
    if (!isStale && !freshAt) return [h("p.hint", {}, "Waking the functions…")];
    if (query.text || query.tag || query.priority) {
      const clear = () => void this.actions.tasks.load({ text: "", tag: "", priority: "" });
      return [h("p.big", {}, "Nothing matches."), button("", "Clear the filters", clear)];
    }
    const hint = query.status === "completed" ? "What you complete is kept here." : "Write down what is next, above.";
    return [h("p.big", {}, NOTHING[query.status]), h("p.hint", {}, hint)];
  }
}

/** Focus the control of a row that has this key. @param {Element | null | undefined} row @param {string} key */
function focus(row, key) {
  /** @type {HTMLElement | null | undefined} */ (row?.querySelector(`[data-key=${key}]`))?.focus();
}
