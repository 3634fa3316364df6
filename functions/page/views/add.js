// A new task: a title and Enter are enough, the rest is behind Details.

import { fromTemplate } from "./dom.js";
import { taskForm } from "./form.js";

/** @param {Actions} actions */
export function addView(actions) {
  const { element, title, toggle, details } = fromTemplate("add");
  let form = /** @type {ReturnType<typeof taskForm> | null} */ (null);
  const open = (/** @type {boolean} */ isOpen) => {
    form = isOpen ? taskForm(actions.client, {}, actions.tasks.tags()) : null;
    details.replaceChildren(...(form ? [form.element] : []));
    toggle.ariaExpanded = String(isOpen);
  };
  toggle.onclick = () => open(!form);
  element.onsubmit = (event) => {
    event.preventDefault();
    title.focus();
    if (!title.value.trim()) return;
    actions.create({ title: title.value.trim(), ...form?.read() });
    title.value = "";
    open(false);
  };
  return element;
}
