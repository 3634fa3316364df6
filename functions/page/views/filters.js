// Which tasks are shown, and in which order.

import { button, choice, h, icon, input, whenQuiet } from "./dom.js";
import { PRIORITIES } from "./form.js";

const STATUSES = [["open", "Open"], ["overdue", "Overdue"], ["completed", "Done"], ["all", "All"]];
const SORTS = [["due", "Due first"], ["-priority", "Priority"], ["-created_at", "Newest"], ["-updated_at", "Last changed"], ["title", "Title"]];

/** @param {Actions} actions @returns {{element: HTMLElement, render: () => void}} */
export function filtersView(actions) {
  const { tasks } = actions;
  const filter = (/** @type {Partial<Query>} */ query) => void tasks.load(query);
  const oninput = whenQuiet(() => filter({ text: text.value.trim() }));
  const text = input("search", { type: "search", "aria-label": "Search", placeholder: "Search", autocomplete: "off", oninput });
  const statuses = STATUSES.map(([status, label]) => button("", label, () => filter({ status }), { "data-status": status }));
  const priority = choice("priority", "", [["", "Any priority"], ...PRIORITIES], {
    "aria-label": "Priority", onchange: () => filter({ priority: priority.value }),
  });
  const sort = choice("sort", tasks.query.sort, SORTS, { "aria-label": "Order", onchange: () => filter({ sort: sort.value }) });
  const tag = h("span.chosen-tag");
  const element = h(
    "div.filters", { role: "search" },
    h("div.segments", { role: "group", "aria-label": "Which tasks" }, ...statuses),
    h("div.search", {}, icon("search"), text), priority, sort, tag,
  );
  const render = () => {
    const { status, text: wanted, priority: chosen, tag: only } = tasks.query;
    for (const each of statuses) each.setAttribute("aria-pressed", String(each.dataset.status === status));
    if (document.activeElement !== text) text.value = wanted;
    priority.value = chosen;
    const label = { "aria-label": `No longer only tag ${only}` };
    tag.replaceChildren(...(only ? [button("tag", `${only} ×`, () => filter({ tag: "" }), label)] : []));
  };
  return { element, render };
}
