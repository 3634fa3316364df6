// Two versions of one task: what the person wrote, and what is there since. One of them is to be chosen.

import { dueText } from "./dates.js";
import { fromTemplate, h } from "./dom.js";

const NAMES = {
  title: "Title", description: "Notes", completed: "Done", priority: "Priority", tags: "Tags", due: "Due",
  time_zone: "Time zone", reminders: "Reminders", recurrence_pattern: "Repeats",
};

/** Ask whether the person's version is to hold. @param {Task} mine @param {Task | null} theirs @returns {Promise<boolean>} */
export function choose(mine, theirs) {
  const { element: dialog, heading, said, table, rows, leave, keep } = fromTemplate("conflict");
  if (theirs) {
    heading.textContent = "Changed elsewhere meanwhile";
    said.textContent = `“${theirs.title}” is not as it was when you changed it.`;
    rows.append(...differences(mine, theirs));
  } else {
    heading.textContent = "Deleted elsewhere meanwhile";
    said.textContent = `“${mine.title}” is gone.`;
    leave.textContent = "All right";
  }
  table.hidden = !rows.childElementCount;
  keep.hidden = !theirs;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => (dialog.remove(), resolve(dialog.returnValue === "mine"));
  });
}

/** The rows of the table. @param {Task} mine @param {Task} theirs */
function differences(mine, theirs) {
  const [own, other] = [mine, theirs].map((task) => /** @type {Fields} */ ({ ...task, due: dueText(task, task.time_zone) }));
  const different = Object.entries(NAMES).filter(([key]) => JSON.stringify(own[key]) !== JSON.stringify(other[key]));
  return different.map(([key, name]) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, inWords(own[key])), h("td", {}, inWords(other[key]))));
}

/** @param {any} value */
function inWords(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return (Array.isArray(value) ? value.join(", ") : String(value ?? "")) || "none";
}
