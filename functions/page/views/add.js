// A new task: a title and Enter are enough, the rest is behind Details.

import { h, input } from "./dom.js";
import { submitted, taskForm } from "./form.js";

/** @param {Actions} actions */
export function addView(actions) {
  /** @type {ReturnType<typeof taskForm> | null} */
  let form = null;
  const title = input("title", { class: "new-title", "aria-label": "New task", placeholder: "What is next?", required: true, maxlength: 500, autocomplete: "off" });
  const details = h("div", { id: "new-details" });
  const wrong = h("p.wrong", { role: "alert" });
  const toggle = h("button.quiet", { type: "button", "aria-expanded": "false", "aria-controls": "new-details", onclick: () => open(!form) }, "Details");
  const open = (/** @type {boolean} */ isOpen) => {
    form = isOpen ? taskForm(actions.client, {}, actions.tasks.tags()) : null;
    details.replaceChildren(...(form ? [form.element] : []));
    toggle.setAttribute("aria-expanded", String(isOpen));
    wrong.replaceChildren();
  };
  const onsubmit = submitted(wrong, () => form, (fields) => {
    title.focus();
    if (!title.value.trim()) return;
    actions.create({ title: title.value.trim(), ...fields });
    title.value = "";
    open(false);
  });
  return h(
    "form.add", { onsubmit, "aria-label": "Add a task" },
    h("div.add-line", {}, title, toggle, h("button.primary", { type: "submit" }, "Add")), details, wrong,
  );
}
