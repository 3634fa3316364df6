// One task of the list, and its editor in place.

import { isOverdue } from "../store/query.js";
import { dueText, HERE } from "./dates.js";
import { button, fromTemplate, h, icon } from "./dom.js";
import { taskForm } from "./form.js";

/** What is shown of a task stays where it is while the task changes, so that the focus stays too. @param {Actions} actions */
export function rowView(actions) {
  const { element, check, title, notes, marks, edit, remove } = fromTemplate("row");
  let shown = "";
  const render = (/** @type {Task} */ task, /** @type {boolean} */ isWaiting) => {
    const wanted = JSON.stringify([task, isWaiting]);
    if (wanted === shown) return;
    shown = wanted;
    element.className = `task ${task.priority}${task.completed ? " done" : ""}`;
    check.ariaChecked = String(task.completed);
    check.ariaLabel = `Done: ${task.title}`;
    check.onclick = () => actions.toggle(task);
    title.textContent = task.title;
    notes.textContent = task.description;
    marks.replaceChildren(...marksOf(task, actions, isWaiting));
    title.onclick = edit.onclick = () => open(task);
    edit.ariaLabel = `Edit ${task.title}`;
    remove.ariaLabel = `Delete ${task.title}`;
    remove.onclick = () => actions.remove(task);
  };
  const open = (/** @type {Task} */ task) => {
    document.querySelector(".editor")?.remove(); // one at a time
    const editor = editorView(task, actions, () => (editor.element.remove(), title.focus()));
    element.append(editor.element);
    editor.title.focus();
  };
  return { element, render };
}

/** What is worth a word beside the title. @param {Task} task @param {Actions} actions @param {boolean} isWaiting */
function marksOf(task, actions, isWaiting) {
  const { priority, time_zone: zone, snoozed_until: silent } = task;
  const due = dueText(task, zone);
  const late = isOverdue(task);
  return [
    priority !== "medium" && h(`span.mark.${priority}`, {}, priority),
    due && h(late ? "span.mark.late" : "span.mark", {}, icon("clock"), late ? `${due} · overdue` : due),
    task.recurrence_pattern && h("span.mark", {}, icon("repeat"), task.recurrence_paused ? "paused" : task.recurrence_pattern),
    silent && Date.parse(silent) > Date.now() && h("span.mark", {}, icon("moon"), `until ${dueText({ due_at: silent }, zone)}`),
    ...task.tags.map((tag) => button("tag", tag, () => void actions.tasks.load({ tag }), { "aria-label": `Only tag ${tag}` })),
    isWaiting && h("span.mark.waiting", {}, "waiting to be sent"),
  ].filter((each) => each instanceof Node);
}

/** The form in place of what is shown. @param {Task} task @param {Actions} actions @param {() => void} close */
function editorView(task, actions, close) {
  const { element, title, fields, told, cancel, skip, snooze, remove } = fromTemplate("editor");
  const form = taskForm(actions.client, task, actions.tasks.tags());
  fields.replaceWith(form.element);
  element.ariaLabel = `Edit ${task.title}`;
  title.value = task.title;
  const isRecurring = Boolean(task.recurrence_pattern) && !task.completed;
  skip.hidden = !isRecurring;
  snooze.hidden = task.completed;
  if (isRecurring) remove.textContent = "Delete series";
  const closing = (/** @type {() => void} */ act) => () => (close(), act());
  cancel.onclick = close;
  skip.onclick = closing(() => actions.queue.add("skip", task));
  for (const each of snooze.querySelectorAll("button")) each.onclick = closing(() => actions.snooze(task, each.value));
  remove.onclick = closing(() => actions.remove(task));
  element.onkeydown = ({ key }) => void (key === "Escape" && close());
  element.onsubmit = (event) => {
    event.preventDefault();
    actions.change(task, { title: title.value.trim(), ...form.read() });
    close();
  };
  const show = (/** @type {{reminders: Reminder[]}} */ { reminders }) => told.replaceChildren(...reminders.map(reminderLine));
  if (Number(task.task_id)) void actions.client.read(`/reminders?task_id=${task.task_id}`).then(show, () => {});
  return { element, title };
}

/** When a reminder rings or rang, and what became of it on each channel. @param {Reminder} reminder */
function reminderLine({ remind_at: at, status, reason, channels }) {
  const outcomes = Object.entries(channels).map(([name, { outcome, detail }]) => [name.split("-")[0], outcome, detail].join(" ").trim());
  return h(status === "failed" ? "li.wrong" : "li", {}, icon("bell"), ` ${dueText({ due_at: at }, HERE)}: ${[status, reason, ...outcomes].filter(Boolean).join(" · ")}`);
}
