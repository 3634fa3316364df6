// One task of the list, and its editor in place.

import { isOverdue } from "../store/query.js";
import { dueText, HERE } from "./dates.js";
import { button, h, icon, input } from "./dom.js";
import { submitted, taskForm } from "./form.js";

const SNOOZES = [["PT10M", "10 minutes"], ["PT1H", "1 hour"], ["P1D", "1 day"]];

/** A task as it is shown. @param {Task} task @param {Actions} actions @param {boolean} isWaiting @param {() => void} edit */
export function shownRow(task, actions, isWaiting, edit) {
  const { title, priority, completed, time_zone: zone, snoozed_until: silent } = task;
  const check = { role: "checkbox", "aria-checked": String(completed), "data-key": "check", "aria-label": `Done: ${title}` };
  const due = dueText(task, zone);
  const late = isOverdue(task);
  const marks = [
    priority !== "medium" && h(`span.mark.${priority}`, {}, priority),
    due && h(late ? "span.mark.late" : "span.mark", {}, icon("clock"), late ? `${due} · overdue` : due),
    task.recurrence_pattern && h("span.mark", {}, icon("repeat"), task.recurrence_paused ? "paused" : task.recurrence_pattern),
    silent && Date.parse(silent) > Date.now() && h("span.mark", {}, icon("moon"), `until ${dueText({ due_at: silent }, zone)}`),
    ...task.tags.map((tag) => button("tag", tag, () => void actions.tasks.load({ tag }), { "aria-label": `Only tag ${tag}` })),
    isWaiting && h("span.mark.waiting", {}, "waiting to be sent"),
  ];
  return [
    button("check", icon("check"), () => actions.toggle(task), check),
    h(
      "div.body", {},
      button("title", title, edit, { "data-key": "title", "aria-expanded": "false" }),
      task.description && h("p.notes", {}, task.description),
      marks.some(Boolean) && h("div.marks", {}, ...marks),
    ),
    h(
      "div.tools", {},
      button("tool", icon("pencil"), edit, { "data-key": "edit", "aria-label": `Edit ${title}`, title: "Edit" }),
      button("tool", icon("trash"), () => actions.remove(task), { "data-key": "delete", "aria-label": `Delete ${title}`, title: "Delete" }),
    ),
  ];
}

/** The same task in its editor. @param {Task} task @param {Actions} actions @param {() => void} close */
export function editedRow(task, actions, close) {
  const form = taskForm(actions.client, task, actions.tasks.tags());
  const title = input("title", { class: "edit-title", value: task.title, required: true, maxlength: 500, "aria-label": "Title" });
  const wrong = h("p.wrong", { role: "alert" });
  const onsubmit = submitted(wrong, () => form, (fields) => (actions.change(task, { title: title.value.trim(), ...fields }), close()));
  const act = (/** @type {string} */ look, /** @type {string} */ label, /** @type {() => void} */ run) =>
    button(look, label, () => (close(), run()));
  const snoozes = SNOOZES.map(([duration, label]) => act("quiet", label, () => actions.snooze(task, duration)));
  const isRecurring = Boolean(task.recurrence_pattern) && !task.completed;
  const told = h("ul.told", { "aria-label": "Reminders", "aria-live": "polite" });
  const show = (/** @type {{reminders: Reminder[]}} */ { reminders }) => told.replaceChildren(...reminders.map(reminderLine));
  if (Number(task.task_id)) void actions.client.read(`/reminders?task_id=${task.task_id}`).then(show, () => {});
  const onkeydown = (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close();
  const element = h(
    "form.editor", { onsubmit, onkeydown, "aria-label": `Edit ${task.title}` },
    title, form.element, told, wrong,
    h(
      "div.actions", {},
      h("button.primary", { type: "submit" }, "Save"), h("button", { type: "button", onclick: close }, "Cancel"), h("span.gap"),
      isRecurring && act("quiet", "Skip this date", () => void actions.queue.add("skip", task)),
      !task.completed && h("span.snooze", { role: "group", "aria-label": "Snooze" }, h("span.hint", {}, "Snooze"), ...snoozes),
      act("quiet.danger", isRecurring ? "Delete series" : "Delete", () => actions.remove(task)),
    ),
  );
  return [element, title];
}

/** When a reminder rings or rang, and what became of it on each channel. @param {Reminder} reminder */
function reminderLine({ remind_at: at, status, reason, channels }) {
  const outcomes = Object.entries(channels).map(([name, { outcome, detail }]) => [name.split("-")[0], outcome, detail].join(" ").trim());
  return h(status === "failed" ? "li.wrong" : "li", {}, icon("bell"), ` ${dueText({ due_at: at }, HERE)}: ${[status, reason, ...outcomes].filter(Boolean).join(" · ")}`);
}
