// The list: rows that stay where they are while others come and go, so that the focus stays too.

import { button, h } from "./dom.js";
import { editedRow, shownRow } from "./row.js";

/** @type {Record<string, string>} */
const NOTHING = { open: "All clear.", overdue: "Nothing is late.", completed: "Nothing is done yet.", all: "No tasks yet." };

/** @param {Actions} actions @returns {{element: HTMLElement, render: () => void}} */
export function listView(actions) {
  const { tasks, queue } = actions;
  /** @type {Map<number | string, {element: HTMLElement, shown: string}>} */
  const rows = new Map();
  /** @type {number | string | null} */
  let edited = null;
  const list = h("ul.tasks", { "aria-label": "Tasks", onkeydown: move });
  const empty = h("div.empty");
  const more = button("more", "Show more", () => void tasks.more());
  const element = h("section", { "aria-label": "Your tasks" }, list, empty, more);

  const render = () => {
    const shown = tasks.shown();
    const ids = new Set(shown.map((task) => task.task_id));
    for (const [id, { element: gone }] of rows) {
      if (ids.has(id)) continue;
      const next = gone.contains(document.activeElement) && (gone.nextElementSibling ?? gone.previousElementSibling);
      gone.remove();
      rows.delete(id);
      if (next) focus(next, "check");
    }
    shown.forEach((task, at) => {
      const row = rowOf(task, queue.waiting.some((each) => each.id === task.task_id));
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
    more.hidden = !tasks.next;
    empty.replaceChildren(...(shown.length ? [] : nothing(tasks)));
  };

  const rowOf = (/** @type {Task} */ task, /** @type {boolean} */ isWaiting) => {
    const shown = JSON.stringify([task, isWaiting]);
    const row = rows.get(task.task_id) ?? { element: h("li.task", { "data-id": task.task_id }), shown: "" };
    rows.set(task.task_id, row);
    if (row.shown === shown || edited === task.task_id) return row.element;
    const key = row.element.contains(document.activeElement) && document.activeElement?.getAttribute("data-key");
    row.element.className = `task ${task.priority}${task.completed ? " done" : ""}`;
    row.element.replaceChildren(...shownRow(task, actions, isWaiting, () => edit(task)));
    row.shown = shown;
    if (key) focus(row.element, key);
    return row.element;
  };

  const edit = (/** @type {Task} */ task) => {
    close();
    const { element: form, title } = editedRow(task, actions, close);
    edited = task.task_id;
    rows.get(edited)?.element.replaceChildren(form);
    title.focus();
  };

  const close = () => {
    const row = edited !== null && rows.get(edited);
    edited = null;
    if (!row) return;
    row.shown = "";
    render();
    focus(row.element, "title");
  };
  return { element, render };
}

/** The arrows go from task to task. @param {KeyboardEvent} event */
function move(event) {
  const { dataset, parentElement } = /** @type {HTMLElement} */ (event.target);
  const row = parentElement?.closest("li");
  if (!dataset.key || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  focus(event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling, dataset.key);
  event.preventDefault();
}

/** What is said where nothing is shown. @param {Tasks} tasks */
function nothing(tasks) {
  const { query, isStale, freshAt } = tasks;
  if (!isStale && !freshAt) return [h("p.hint", {}, "Waking the functions…")];
  if (query.text || query.tag || query.priority) {
    const clear = () => void tasks.load({ text: "", tag: "", priority: "" });
    return [h("p.big", {}, "Nothing matches."), button("", "Clear the filters", clear)];
  }
  const hint = query.status === "completed" ? "What you complete is kept here." : "Write down what is next, above.";
  return [h("p.big", {}, NOTHING[query.status]), h("p.hint", {}, hint)];
}

/** Focus the control of a row that has this key. @param {Element | null | undefined} row @param {string} key */
function focus(row, key) {
  /** @type {HTMLElement | null | undefined} */ (row?.querySelector(`[data-key=${key}]`))?.focus();
}
