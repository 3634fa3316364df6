// Two versions of one task: what the person wrote, and what is there since. One of them is to be chosen.

import { dueText } from "./dates.js";
import { h } from "./dom.js";

/** @typedef {import("../api/tasks.js").Task} Task */

/** @type {Record<string, string>} */
const NAMES = {
  title: "Title", description: "Notes", completed: "Done", priority: "Priority", tags: "Tags", due: "Due",
  time_zone: "Time zone", reminders: "Reminders", recurrence_pattern: "Repeats",
};

/**
 * Ask which version is to hold. @param {Task} mine @param {Task | null} theirs @returns {Promise<"mine" | "theirs">}
 */
export function choose(mine, theirs) {
  return new Promise((resolve) => {
    const rows = theirs ? differences(mine, theirs) : [];
    const head = h("tr", {}, h("th", { scope: "col" }, ""), h("th", { scope: "col" }, "Yours"), h("th", { scope: "col" }, "There now"));
    const body = rows.map(([name, own, other]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, own), h("td", {}, other)));
    const finish = (/** @type {"mine" | "theirs"} */ chosen) => (dialog.close(), dialog.remove(), resolve(chosen));
    const dialog = /** @type {HTMLDialogElement} */ (
      h(
        "dialog.conflict", { "aria-labelledby": "conflict-title", oncancel: () => finish("theirs") },
        h("h2", { id: "conflict-title" }, theirs ? "Changed elsewhere meanwhile" : "Deleted elsewhere meanwhile"),
        h("p", {}, theirs ? `“${theirs.title}” is not as it was when you changed it.` : `“${mine.title}” is gone.`),
        rows.length ? h("table", {}, h("thead", {}, head), h("tbody", {}, ...body)) : null,
        h(
          "div.actions", {},
          h("button.primary", { type: "button", onclick: () => finish("theirs") }, theirs ? "Keep what is there" : "All right"),
          theirs && h("button", { type: "button", onclick: () => finish("mine") }, "Keep mine"),
        ),
      )
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** @param {Task} mine @param {Task} theirs @returns {[string, string, string][]} */
function differences(mine, theirs) {
  const [own, other] = [mine, theirs].map((task) => /** @type {Record<string, any>} */ ({ ...task, due: dueText(task, task.time_zone) }));
  return Object.entries(NAMES)
    .filter(([key]) => JSON.stringify(own[key]) !== JSON.stringify(other[key]))
    .map(([key, name]) => [name, said(own[key]), said(other[key])]);
}

/** @param {any} value */
function said(value) {
  if (Array.isArray(value)) return value.join(", ") || "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value ? String(value) : "none";
}
