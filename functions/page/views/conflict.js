// Two versions of one task: what the person wrote, and what is there since. One of them is to be chosen.

import { dueText } from "./dates.js";
import { button, h } from "./dom.js";

const NAMES = {
  title: "Title", description: "Notes", completed: "Done", priority: "Priority", tags: "Tags", due: "Due",
  time_zone: "Time zone", reminders: "Reminders", recurrence_pattern: "Repeats",
};

/** Ask whether the person's version is to hold. @param {Task} mine @param {Task | null} theirs @returns {Promise<boolean>} */
export function choose(mine, theirs) {
  return new Promise((resolve) => {
    const rows = theirs ? differences(mine, theirs) : [];
    const finish = (/** @type {boolean} */ isMine) => (dialog.close(), dialog.remove(), resolve(isMine));
    const heads = ["", "Yours", "There now"].map((name) => h("th", { scope: "col" }, name));
    const lines = rows.map(([name, ...values]) => h("tr", {}, h("th", { scope: "row" }, name), ...values.map((each) => h("td", {}, each))));
    const dialog = /** @type {HTMLDialogElement} */ (
      h(
        "dialog", { "aria-labelledby": "conflict-title", oncancel: () => finish(false) },
        h("h2", { id: "conflict-title" }, theirs ? "Changed elsewhere meanwhile" : "Deleted elsewhere meanwhile"),
        h("p", {}, theirs ? `“${theirs.title}” is not as it was when you changed it.` : `“${mine.title}” is gone.`),
        rows.length && h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...lines)),
        h(
          "div.actions", {},
          button("primary", theirs ? "Keep what is there" : "All right", () => finish(false)),
          theirs && button("", "Keep mine", () => finish(true)),
        ),
      )
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** @param {Task} mine @param {Task} theirs @returns {string[][]} */
function differences(mine, theirs) {
  const [own, other] = [mine, theirs].map((task) => /** @type {Fields} */ ({ ...task, due: dueText(task, task.time_zone) }));
  const rows = Object.entries(NAMES).filter(([key]) => JSON.stringify(own[key]) !== JSON.stringify(other[key]));
  return rows.map(([key, name]) => [name, said(own[key]), said(other[key])]);
}

/** @param {any} value */
function said(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return (Array.isArray(value) ? value.join(", ") : String(value ?? "")) || "none";
}
