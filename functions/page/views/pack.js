// Beside the tasks the pack at work: which functions sleep, what they take up, and what could not be handled.

import { button, fromTemplate, h } from "./dom.js";
import { toast } from "./toasts.js";

/** @param {Pack} pack */
export function packView(pack) {
  const { element, heading, said, lists, functions, events, letters } = fromTemplate("pack");
  const toggle = button("quiet", "Pack at work", () => (pack.toggle(), pack.isOpen && heading.focus()), { "aria-controls": "pack" });
  const back = async (/** @type {DeadLetter} */ letter) => {
    toast(await pack.putBack(letter).then(() => `It goes back to ${letter.function}.`, ({ message }) => message || "Try again later."));
    if (document.activeElement === document.body) heading.focus();
  };
  const render = () => {
    element.hidden = !pack.isOpen;
    toggle.ariaExpanded = String(pack.isOpen);
    lists.hidden = !pack.shown;
    said.textContent = pack.why;
    if (!pack.shown) return;
    const { functions: all, functions_missing: none, commands, commands_missing: unknown } = pack.shown;
    const there = `${all.filter(({ state }) => state !== "asleep").length} of ${all.length} functions have a pod.`;
    said.textContent = none ?? `${there} This page, which keeps show-pack awake, saw ${Math.round(pack.podSeconds)} pod-seconds of the last hour.`;
    fill(functions, all.map((each) => [each.function, each.state, startsOf(pack, each.function)]), functionRow);
    fill(events, commands.slice(0, 12), eventRow, unknown ?? "Nothing in the last ten minutes.");
    fill(letters, pack.letters.dead_letters, (letter) => letterRow(letter, back), pack.letters.missing ?? "None.");
  };
  return { toggle, element, render };
}

/**
 * Show rows, or why there are none; those that are as they were stay, and so does the focus.
 * @param {HTMLElement} list @param {any[]} values @param {(value: any) => HTMLElement} row @param {string} [none]
 */
function fill(list, values, row, none) {
  const shown = JSON.stringify([values, none]);
  if (list.dataset.shown !== shown) list.replaceChildren(...(values.length ? values.map(row) : [h("li.hint", {}, none)]));
  list.dataset.shown = shown;
}

/** @param {string[]} row */
const functionRow = ([name, state, starts]) =>
  h(`li.${state}`, {}, h("span.dot"), h("span.name", {}, name), h("span.mark", {}, starts), h("span.mark.is", {}, state));

/** @param {CommandShown} command */
function eventRow({ at, sender, function: name, type, attempts, outcome }) {
  const more = [type, attempts > 1 && `attempt ${attempts}`, outcome].filter(Boolean).join(", ");
  return h("li", {}, h("span.mark", {}, time(at)), h("span.name", {}, `${sender} → ${name}`), h("span.mark", {}, more));
}

/** @param {DeadLetter} letter @param {(letter: DeadLetter) => void} back */
function letterRow(letter, back) {
  const { reason, state, obstacle } = letter;
  const what = `${letter.type || "an event"} of ${letter.function || "a function"}`;
  const put = button("quiet", "Put back", () => back(letter), { "aria-label": `Put back ${what}` });
  const outcome = state === "waiting" ? (obstacle && h("span.mark", {}, obstacle)) || put : h("span.mark", {}, state);
  return h("li", {}, h("span.mark", {}, time(letter.parked_at)), h("span.name", {}, `${what}: ${reason}`), outcome);
}

/** How often a function started, as this page saw, and how long the last time. A cluster counts whole seconds. @param {Pack} pack @param {string} name */
function startsOf(pack, name) {
  const starts = [...pack.pods.values()].flatMap((pod) => (pod.function === name && pod.start !== null ? pod.start : []));
  const took = starts.slice(-1).map((last) => (last % 1000 ? `${last} ms` : `about ${last / 1000} s`));
  return [starts.length > 1 && `${starts.length} starts`, ...took].filter(Boolean).join(", ");
}

/** @param {string} at */
const time = (at) => new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" }).format(Date.parse(at));
