// Which tasks are shown, and in which order.

import { button, fromTemplate, whenQuiet } from "./dom.js";

/** @param {Actions} actions */
export function filtersView({ tasks }) {
  const { element, statuses, text, priority, sort, tag } = fromTemplate("filters");
  text.oninput = whenQuiet(() => void tasks.load({ text: text.value.trim() }));
  priority.onchange = () => void tasks.load({ priority: priority.value });
  sort.onchange = () => void tasks.load({ sort: sort.value });
  for (const each of statuses.querySelectorAll("button")) each.onclick = () => void tasks.load({ status: each.value });
  const render = () => {
    const { query } = tasks;
    for (const each of statuses.querySelectorAll("button")) each.ariaPressed = String(each.value === query.status);
    if (document.activeElement !== text) text.value = query.text;
    priority.value = query.priority;
    const label = { "aria-label": `No longer only tag ${query.tag}` };
    tag.replaceChildren(...(query.tag ? [button("tag", `${query.tag} ×`, () => void tasks.load({ tag: "" }), label)] : []));
  };
  return { element, render };
}
