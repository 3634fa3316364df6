// One task of the list, and its editor in place.

import { isOverdue } from "../store/query.js";
import { dueText } from "./dates.js";
import { h, icon } from "./dom.js";
import { TaskForm } from "./form.js";

/**
 * @typedef {import("../api/tasks.js").Task} Task
 * @typedef {import("../actions.js").Actions} Actions
 */

/** @type {[string, string][]} */
const SNOOZES = [["PT10M", "10 minutes"], ["PT1H", "1 hour"], ["P1D", "1 day"]];

/** A task as it is shown. @param {Task} task @param {Actions} actions @param {boolean} isWaiting @param {() => void} edit */
export function shownRow(task, actions, isWaiting, edit) {
  const check = h("button.check", {
    type: "button", role: "checkbox", "aria-checked": String(task.completed), "data-key": "check",
    "aria-label": `Done: ${task.title}`, onclick: () => actions.toggle(task),
  }, icon("check"));
  const due = dueText(task, task.time_zone);
  const late = isOverdue(task);
  const marks = [
    task.priority !== "medium" && h(`span.mark.${task.priority}`, {}, task.priority),
    due && h(late ? "span.mark.late" : "span.mark", {}, icon("clock"), late ? `${due} · overdue` : due),
    task.recurrence_pattern && h("span.mark", {}, icon("repeat"), task.recurrence_paused ? "paused" : task.recurrence_pattern),
    task.snoozed_until && Date.parse(task.snoozed_until) > Date.now() &&
      h("span.mark", {}, icon("moon"), `until ${dueText({ due_at: task.snoozed_until, due_on: null }, task.time_zone)}`),
    ...task.tags.map((tag) => h("button.tag", { type: "button", "aria-label": `Only tag ${tag}`, onclick: () => actions.filter({ tag }) }, tag)),
    isWaiting && h("span.mark.waiting", {}, "waiting to be sent"),
  ];
  return [
    check,
    h(
      "div.body", {},
      h("button.title", { type: "button", "data-key": "title", "aria-expanded": "false", onclick: edit }, task.title),
      task.description ? h("p.notes", {}, task.description) : null,
      marks.some(Boolean) ? h("div.marks", {}, ...marks) : null,
    ),
    h(
      "div.tools", {},
      h("button.tool", { type: "button", "data-key": "edit", "aria-label": `Edit ${task.title}`, title: "Edit", onclick: edit }, icon("pencil")),
      h("button.tool", { type: "button", "data-key": "delete", "aria-label": `Delete ${task.title}`, title: "Delete", onclick: () => actions.remove(task) }, icon("trash")),
    ),
  ];
}

/** The same task in its editor. @param {Task} task @param {Actions} actions @param {() => void} close */
export function editedRow(task, actions, close) {
  const form = new TaskForm(actions.client, task, actions.tasks.tags());
  const title = /** @type {HTMLInputElement} */ (h("input.edit-title", { name: "title", value: task.title, required: true, maxlength: 500, "aria-label": "Title" }));
  const wrong = h("p.wrong", { role: "alert" });
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    const read = form.read();
    if ("wrong" in read) return wrong.replaceChildren(read.wrong), read.at.focus();
    actions.change(task, { title: title.value.trim(), ...read.fields });
    close();
  };
  const and = (/** @type {() => void} */ act) => () => (close(), act());
  const isRecurring = Boolean(task.recurrence_pattern) && !task.completed;
  const element = h(
    "form.editor", {
      onsubmit: save, "aria-label": `Edit ${task.title}`,
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close(),
    },
    title, form.element, wrong,
    h(
      "div.actions", {},
      h("button.primary", { type: "submit" }, "Save"),
      h("button", { type: "button", onclick: close }, "Cancel"),
      h("span.gap", {}),
      isRecurring && h("button.quiet", { type: "button", onclick: and(() => actions.skip(task)) }, "Skip this date"),
      !task.completed && h("span.snooze", { role: "group", "aria-label": "Snooze" }, h("span.hint", {}, "Snooze"),
        ...SNOOZES.map(([duration, label]) => h("button.quiet", { type: "button", onclick: and(() => actions.snooze(task, duration)) }, label))),
      h("button.quiet.danger", { type: "button", onclick: and(() => actions.remove(task)) }, isRecurring ? "Delete series" : "Delete"),
    ),
  );
  return [element, title];
}
