// The fields of a task, for a new one and for one that is edited in place.

import { Problem } from "../api/client.js";
import { dueText, HERE, isZone, moment, wall } from "./dates.js";
import { choice, field, h, input, whenQuiet } from "./dom.js";

export const PRIORITIES = [["low", "Low"], ["medium", "Medium"], ["high", "High"], ["urgent", "Urgent"]];
const PATTERNS = ["daily", "weekdays", "weekly", "every other week", "monthly", "yearly", "every 3 days", "RRULE:FREQ=MONTHLY;BYDAY=1MO"];
const REMINDERS = [["default", "When it is due"], ["none", "None"], ["PT10M", "10 minutes before"], ["PT1H", "1 hour before"], ["P1D", "1 day before"]];

/**
 * `read` says what stands there, as the API has it, or a sentence that says what is wrong.
 * @param {Client} client @param {Partial<Task>} task @param {string[]} tags
 */
export function taskForm(client, task, tags) {
  const itsZone = task.time_zone ?? HERE;
  const [itsDay, itsTime] = task.due_at ? wall(Date.parse(task.due_at), itsZone).split("T") : [task.due_on ?? "", ""];
  const reminding = task.reminders ? task.reminders.join(" ") || "none" : "default";
  const isKnown = REMINDERS.some(([key]) => key === reminding);
  const typed = { oninput: whenQuiet(() => void preview()) };
  const plain = { autocomplete: "off", spellcheck: "false" };
  const day = input("day", { type: "date", value: itsDay, ...typed });
  const time = input("time", { type: "time", value: itsTime, ...typed });
  const zone = input("zone", { value: itsZone, list: "zones", ...plain, ...typed });
  const priority = choice("priority", task.priority ?? "medium", PRIORITIES);
  const words = input("tags", { value: (task.tags ?? []).join(", "), list: "tags", placeholder: "home, garden", ...plain });
  const pattern = input("pattern", { value: task.recurrence_pattern ?? "", list: "patterns", placeholder: "Does not repeat", ...plain, ...typed });
  const reminders = choice("reminders", reminding, isKnown ? REMINDERS : [...REMINDERS, [reminding, reminding]]);
  const description = /** @type {HTMLTextAreaElement} */ (h("textarea", { name: "description", rows: 3, maxlength: 10000 }, task.description));
  const dates = h("div.dates", { "aria-live": "polite" });
  const element = h(
    "div.fields", {},
    field("Date", day), field("Time", time), field("Time zone", zone),
    field("Priority", priority), field("Remind me", reminders), field("Tags", words),
    h("div.wide", {}, field("Repeats", pattern), dates),
    h("div.wide", {}, field("Notes", description)),
    options("patterns", PATTERNS), options("tags", tags), options("zones", Intl.supportedValuesOf("timeZone")),
  );
  const inZone = () => zone.value.trim() || HERE;
  /** @returns {Record<string, string>} */
  const due = () => (day.value && time.value ? { due_at: moment(day.value, time.value, inZone()) } : day.value ? { due_on: day.value } : {});

  /** @returns {Filled} */
  const read = () => {
    const repeats = pattern.value.trim() || null;
    if (!isZone(inZone())) return { wrong: "There is no such time zone.", at: zone };
    if (time.value && !day.value) return { wrong: "A time needs its date.", at: day };
    if (repeats && !day.value) return { wrong: "What repeats needs the date that it begins with.", at: day };
    return {
      fields: {
        ...{ due_at: null, due_on: null, ...due() },
        description: description.value.trim() || null,
        priority: priority.value,
        tags: words.value.split(",").map((tag) => tag.trim()).filter(Boolean),
        time_zone: inZone(),
        reminders: reminders.value === "default" ? null : reminders.value.split(" ").filter((each) => each !== "none"),
        recurrence_pattern: repeats,
      },
    };
  };

  /** Show the next dates of the pattern as it is typed. */
  let aborting = new AbortController();
  const preview = async () => {
    aborting.abort();
    aborting = new AbortController();
    const asked = { recurrence_pattern: pattern.value.trim(), time_zone: inZone(), count: "5" };
    if (!asked.recurrence_pattern || !isZone(asked.time_zone)) return dates.replaceChildren();
    const start = { due_on: wall(Date.now(), asked.time_zone).slice(0, 10) };
    try {
      const query = new URLSearchParams({ ...asked, ...(day.value ? due() : start) });
      const { occurrences } = await client.read(`/occurrences?${query}`, aborting.signal);
      const items = occurrences.map((/** @type {Due} */ each) => h("li", {}, dueText(each, asked.time_zone)));
      dates.replaceChildren(h("ol", { "aria-label": "The next dates" }, ...items));
    } catch (error) {
      if (error instanceof Problem) dates.replaceChildren(h("p.wrong", {}, error.message));
    }
  };
  if (task.recurrence_pattern) typed.oninput();
  return { element, read };
}

/**
 * A listener that passes on what a form holds, if there is one, or says what is wrong.
 * @param {HTMLElement} wrong @param {() => {read: () => Filled} | null} form @param {(fields: Fields) => void} take
 */
export const submitted = (wrong, form, take) => (/** @type {Event} */ event) => {
  event.preventDefault();
  const read = form()?.read() ?? { fields: {} };
  if (!("wrong" in read)) return take(read.fields);
  wrong.replaceChildren(read.wrong);
  read.at.focus();
};

/** @param {string} id @param {string[]} values */
function options(id, values) {
  document.getElementById(id)?.remove();
  return h("datalist", { id }, ...values.map((value) => h("option", { value })));
}
