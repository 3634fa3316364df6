// The fields of a task, for a new one and for one that is edited in place.

import { preview } from "../api/tasks.js";
import { Problem } from "../api/client.js";
import { dueText, HERE, isZone, moment, wall } from "./dates.js";
import { choice, field, h } from "./dom.js";

/** @typedef {import("../api/tasks.js").Task} Task */

/** @type {[string, string][]} */
export const PRIORITIES = [["low", "Low"], ["medium", "Medium"], ["high", "High"], ["urgent", "Urgent"]];
const PATTERNS = ["daily", "weekdays", "weekly", "every other week", "monthly", "yearly", "every 3 days", "RRULE:FREQ=MONTHLY;BYDAY=1MO"];
/** @type {[string, string][]} */
const REMINDERS = [["default", "When it is due"], ["none", "None"], ["PT10M", "10 minutes before"], ["PT1H", "1 hour before"], ["P1D", "1 day before"]];
const TYPING_MS = 350;

export class TaskForm {
  #aborting = new AbortController();
  #timer = 0;

  /** @param {import("../api/client.js").Client} client @param {Partial<Task>} task @param {string[]} tags */
  constructor(client, task, tags) {
    this.client = client;
    const zone = task.time_zone ?? HERE;
    const due = task.due_at ? wall(Date.parse(task.due_at), zone) : `${task.due_on ?? ""}T`;
    const [day, time] = due.split("T");
    const custom = task.reminders?.length ? task.reminders.join(" ") : "";
    const reminding = task.reminders === undefined || task.reminders === null ? "default" : custom || "none";
    const isKnown = REMINDERS.some(([key]) => key === reminding);
    this.day = input("day", { type: "date", value: day });
    this.time = input("time", { type: "time", value: time });
    this.zone = input("zone", { value: zone, list: "zones", autocomplete: "off", spellcheck: "false" });
    this.priority = choice("priority", task.priority ?? "medium", PRIORITIES);
    this.tags = input("tags", { value: (task.tags ?? []).join(", "), list: "tags", placeholder: "home, garden", autocomplete: "off" });
    this.pattern = input("pattern", { value: task.recurrence_pattern ?? "", list: "patterns", placeholder: "Does not repeat", autocomplete: "off", spellcheck: "false" });
    this.reminders = choice("reminders", reminding, isKnown ? REMINDERS : [...REMINDERS, [reminding, reminding]]);
    this.description = /** @type {HTMLTextAreaElement} */ (h("textarea", { name: "description", rows: 3, maxlength: 10000 }, task.description ?? ""));
    this.dates = h("div.dates", { "aria-live": "polite" });
    this.element = h(
      "div.fields", {},
      field("Date", this.day), field("Time", this.time), field("Time zone", this.zone),
      field("Priority", this.priority), field("Remind me", this.reminders), field("Tags", this.tags),
      h("div.wide", {}, field("Repeats", this.pattern), this.dates),
      h("div.wide", {}, field("Notes", this.description)),
      options("patterns", PATTERNS), options("tags", tags), options("zones", zones()),
    );
    for (const each of [this.pattern, this.day, this.time, this.zone]) each.addEventListener("input", () => this.#preview());
    if (task.recurrence_pattern) this.#preview();
  }

  /**
   * What stands there, as the API has it, or a sentence that says what is wrong.
   * @returns {{fields: Record<string, any>} | {wrong: string, at: HTMLElement}}
   */
  read() {
    const zone = this.zone.value.trim() || HERE;
    if (!isZone(zone)) return { wrong: "There is no such time zone.", at: this.zone };
    if (this.time.value && !this.day.value) return { wrong: "A time needs its date.", at: this.day };
    if (this.pattern.value.trim() && !this.day.value) return { wrong: "What repeats needs the date that it begins with.", at: this.day };
    const reminders = this.reminders.value;
    return {
      fields: {
        description: this.description.value.trim() || null,
        priority: this.priority.value,
        tags: this.tags.value.split(",").map((tag) => tag.trim()).filter(Boolean),
        ...this.#due(zone),
        time_zone: zone,
        reminders: reminders === "default" ? null : reminders === "none" ? [] : reminders.split(" "),
        recurrence_pattern: this.pattern.value.trim() || null,
      },
    };
  }

  /** @param {string} zone */
  #due(zone) {
    const [day, time] = [this.day.value, this.time.value];
    return { due_at: day && time ? moment(day, time, zone) : null, due_on: day && !time ? day : null };
  }

  /** Show the next dates of the pattern as it is typed. */
  #preview() {
    clearTimeout(this.#timer);
    this.#aborting.abort();
    this.#timer = window.setTimeout(() => void this.#show(), TYPING_MS);
  }

  async #show() {
    const pattern = this.pattern.value.trim();
    const zone = this.zone.value.trim() || HERE;
    if (!pattern || !isZone(zone)) return this.dates.replaceChildren();
    const due = this.#due(zone);
    const start = due.due_at ? { due_at: due.due_at } : { due_on: due.due_on ?? wall(Date.now(), zone).slice(0, 10) };
    this.#aborting = new AbortController();
    try {
      const found = await preview(this.client, { recurrence_pattern: pattern, ...start, time_zone: zone }, this.#aborting.signal);
      const dates = found.map((each) => h("li", {}, dueText(each, zone)));
      this.dates.replaceChildren(h("ol", { "aria-label": "The next dates" }, ...dates));
    } catch (error) {
      if (error instanceof Problem) this.dates.replaceChildren(h("p.wrong", {}, error.message));
    }
  }
}

/** @param {string} name @param {Record<string, unknown>} attributes */
function input(name, attributes) {
  return /** @type {HTMLInputElement} */ (h("input", { type: "text", name, ...attributes }));
}

/** @param {string} id @param {string[]} values */
function options(id, values) {
  document.getElementById(id)?.remove();
  return h("datalist", { id }, ...values.map((value) => h("option", { value })));
}

/** @returns {string[]} */
const zones = () => /** @type {any} */ (Intl).supportedValuesOf?.("timeZone") ?? [HERE, "UTC"];
