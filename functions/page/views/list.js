// The list: rows that stay where they are while others come and go, so that the focus stays too.

import { button, fromTemplate, h } from "./dom.js";
import { rowView } from "./row.js";

/** @type {Record<string, string>} */
const NOTHING = { open: "All clear.", overdue: "Nothing is late.", completed: "Nothing is done yet.", all: "No tasks yet." };

/** @param {Actions} actions */
export function listView(actions) {
  const { tasks, queue } = actions;
  const { element, list, empty, more } = fromTemplate("list");
  const rows = /** @type {Map<number | string, ReturnType<typeof rowView>>} */ (new Map());
  list.onkeydown = move;
  more.onclick = () => void tasks.more();
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
      const row = rows.get(task.task_id) ?? rowView(actions);
      rows.set(task.task_id, row);
      row.render(task, queue.waiting.some((each) => each.id === task.task_id));
      if (list.children[at] !== row.element) list.insertBefore(row.element, list.children[at] ?? null);
    });
    more.hidden = !tasks.next;
    empty.replaceChildren(...(shown.length ? [] : nothing(tasks)));
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
