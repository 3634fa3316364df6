// Which tasks are shown, and in which order.

import { choice, h, icon } from "./dom.js";
import { PRIORITIES } from "./form.js";

/** @type {[string, string][]} */
const STATUSES = [["open", "Open"], ["overdue", "Overdue"], ["completed", "Done"], ["all", "All"]];
/** @type {[string, string][]} */
const SORTS = [["due", "Due first"], ["-priority", "Priority"], ["-created_at", "Newest"], ["-updated_at", "Last changed"], ["title", "Title"]];
const TYPING_MS = 250;

/** @param {import("../actions.js").Actions} actions @returns {{element: HTMLElement, render: () => void}} */
export function filtersView(actions) {
  const { tasks } = actions;
  let timer = 0;
  const text = /** @type {HTMLInputElement} */ (h("input", { type: "search", name: "search", "aria-label": "Search", placeholder: "Search", autocomplete: "off" }));
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => actions.filter({ text: text.value.trim() }), TYPING_MS);
  });
  const statuses = STATUSES.map(([status, label]) => h("button", { type: "button", "data-status": status, onclick: () => actions.filter({ status }) }, label));
  const priority = choice("priority", "", [["", "Any priority"], ...PRIORITIES], { "aria-label": "Priority" });
  priority.addEventListener("change", () => actions.filter({ priority: priority.value }));
  const sort = choice("sort", tasks.query.sort, SORTS, { "aria-label": "Order" });
  sort.addEventListener("change", () => actions.filter({ sort: sort.value }));
  const tag = h("span.chosen-tag");
  const element = h(
    "div.filters", { role: "search" },
    h("div.segments", { role: "group", "aria-label": "Which tasks" }, ...statuses),
    h("div.search", {}, icon("search"), text), priority, sort, tag,
  );
  const render = () => {
    for (const each of statuses) each.setAttribute("aria-pressed", String(each.dataset.status === tasks.query.status));
    if (document.activeElement !== text) text.value = tasks.query.text;
    priority.value = tasks.query.priority;
    const chosen = tasks.query.tag;
    tag.replaceChildren(
      ...(chosen ? [h("button.tag", { type: "button", "aria-label": `No longer only tag ${chosen}`, onclick: () => actions.filter({ tag: "" }) }, `${chosen} ×`)] : []),
    );
  };
  return { element, render };
}
