// A new task: a title and Enter are enough, the rest is behind Details.

import { h } from "./dom.js";
import { TaskForm } from "./form.js";

/** @param {import("../actions.js").Actions} actions */
export function addView(actions) {
  /** @type {TaskForm | null} */
  let form = null;
  const title = /** @type {HTMLInputElement} */ (
    h("input.new-title", { name: "title", "aria-label": "New task", placeholder: "What is next?", required: true, maxlength: 500, autocomplete: "off" })
  );
  const details = h("div", { id: "new-details" });
  const wrong = h("p.wrong", { role: "alert" });
  const toggle = h("button.quiet", { type: "button", "aria-expanded": "false", "aria-controls": "new-details" }, "Details");
  const open = (/** @type {boolean} */ isOpen) => {
    form = isOpen ? new TaskForm(actions.client, {}, actions.tasks.tags()) : null;
    details.replaceChildren(...(form ? [form.element] : []));
    toggle.setAttribute("aria-expanded", String(isOpen));
    wrong.replaceChildren();
  };
  toggle.addEventListener("click", () => open(!form));
  const add = (/** @type {Event} */ event) => {
    event.preventDefault();
    const read = form?.read() ?? { fields: {} };
    if ("wrong" in read) return wrong.replaceChildren(read.wrong), read.at.focus();
    if (!title.value.trim()) return title.focus();
    actions.create({ title: title.value.trim(), ...read.fields });
    title.value = "";
    open(false);
    title.focus();
  };
  return h(
    "form.add", { onsubmit: add, "aria-label": "Add a task" },
    h("div.add-line", {}, title, toggle, h("button.primary", { type: "submit" }, "Add")), details, wrong,
  );
}
