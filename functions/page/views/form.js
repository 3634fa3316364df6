// The fields of a task, for a new one and for one that is edited in place.

import { Problem } from "../api/client.js";
import { dueText, HERE, isZone, moment, wall } from "./dates.js";
import { choice, field, h, input, whenTyped } from "./dom.js";

export const PRIORITIES = [["low", "Low"], ["medium", "Medium"], ["high", "High"], ["urgent", "Urgent"]];
const PATTERNS = ["daily", "weekdays", "weekly", "every other week", "monthly", "yearly", "every 3 days", "RRULE:FREQ=MONTHLY;BYDAY=1MO"];
const REMINDERS = [["default", "When it is due"], ["none", "None"], ["PT10M", "10 minutes before"], ["PT1H", "1 hour before"], ["P1D", "1 day before"]];

export class TaskForm {
  #aborting = new AbortController();
  #preview = whenTyped(() => void this.#show());

  /** @param {Client} client @param {Partial<Task>} task @param {string[]} tags */
  constructor(client, task, tags) {
    this.client = client;
    const zone = task.time_zone ?? HERE;
    const [day, time] = task.due_at ? wall(Date.parse(task.due_at), zone).split("T") : [task.due_on ?? "", ""];
    const reminding = task.reminders ? task.reminders.join(" ") || "none" : "default";
    const isKnown = REMINDERS.some(([key]) => key === reminding);
    const typed = { oninput: this.#preview };
    const plain = { autocomplete: "off", spellcheck: "false" };
    this.day = input("day", { type: "date", value: day, ...typed });
    this.time = input("time", { type: "time", value: time, ...typed });
    this.zone = input("zone", { value: zone, list: "zones", ...plain, ...typed });
    this.priority = choice("priority", task.priority ?? "medium", PRIORITIES);
    this.tags = input("tags", { value: (task.tags ?? []).join(", "), list: "tags", placeholder: "home, garden", ...plain });
    this.pattern = input("pattern", { value: task.recurrence_pattern ?? "", list: "patterns", placeholder: "Does not repeat", ...plain, ...typed });
    this.reminders = choice("reminders", reminding, isKnown ? REMINDERS : [...REMINDERS, [reminding, reminding]]);
    this.description = /** @type {HTMLTextAreaElement} */ (h("textarea", { name: "description", rows: 3, maxlength: 10000 }, task.description));
    this.dates = h("div.dates", { "aria-live": "polite" });
    this.element = h(
      "div.fields", {},
      field("Date", this.day), field("Time", this.time), field("Time zone", this.zone),
      field("Priority", this.priority), field("Remind me", this.reminders), field("Tags", this.tags),
      h("div.wide", {}, field("Repeats", this.pattern), this.dates),
      h("div.wide", {}, field("Notes", this.description)),
      options("patterns", PATTERNS), options("tags", tags), options("zones", Intl.supportedValuesOf("timeZone")),
    );
    if (task.recurrence_pattern) this.#preview();
  }

  /** What stands there, as the API has it, or a sentence that says what is wrong. @returns {Filled} */
  read() {
    const { zone, pattern, due } = this.#read();
    const [day, reminders] = [this.day.value, this.reminders.value];
    if (!isZone(zone)) return { wrong: "There is no such time zone.", at: this.zone };
    if (this.time.value && !day) return { wrong: "A time needs its date.", at: this.day };
    if (pattern && !day) return { wrong: "What repeats needs the date that it begins with.", at: this.day };
    return {
      fields: {
        due_at: null,
        due_on: null,
        ...due(),
        description: this.description.value.trim() || null,
        priority: this.priority.value,
        tags: this.tags.value.split(",").map((tag) => tag.trim()).filter(Boolean),
        time_zone: zone,
        reminders: reminders === "default" ? null : reminders === "none" ? [] : reminders.split(" "),
        recurrence_pattern: pattern || null,
      },
    };
  }

  #read() {
    const [day, time, zone] = [this.day.value, this.time.value, this.zone.value.trim() || HERE];
    /** @returns {Record<string, string> | null} */
    const due = () => (day && time ? { due_at: moment(day, time, zone) } : day ? { due_on: day } : null);
    return { zone, due, pattern: this.pattern.value.trim() };
  }

  /** Show the next dates of the pattern as it is typed. */
  async #show() {
    this.#aborting.abort();
    const { zone, pattern, due } = this.#read();
    if (!pattern || !isZone(zone)) return this.dates.replaceChildren();
    const start = due() ?? { due_on: wall(Date.now(), zone).slice(0, 10) };
    this.#aborting = new AbortController();
    try {
      const asked = new URLSearchParams({ recurrence_pattern: pattern, ...start, time_zone: zone, count: "5" });
      const { occurrences } = await this.client.read(`/occurrences?${asked}`, this.#aborting.signal);
      const dates = occurrences.map((/** @type {Due} */ each) => h("li", {}, dueText(each, zone)));
      this.dates.replaceChildren(h("ol", { "aria-label": "The next dates" }, ...dates));
    } catch (error) {
      if (error instanceof Problem) this.dates.replaceChildren(h("p.wrong", {}, error.message));
    }
  }
}

/**
 * A listener that passes on what a form holds, if there is one, or says what is wrong.
 * @param {HTMLElement} wrong @param {() => TaskForm | null} form @param {(fields: Fields) => void} take
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
