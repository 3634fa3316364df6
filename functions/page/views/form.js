// The fields of a task, for a new one and for one that is edited in place.

import { Problem } from "../api/client.js";
import { dueText, HERE, isZone, moment, wall } from "./dates.js";
import { fromTemplate, h, whenQuiet } from "./dom.js";

/** `read` says what stands there, as the API has it. @param {Client} client @param {Partial<Task>} task @param {string[]} tags */
export function taskForm(client, task, tags) {
  const { element, day, time, zone, priority, reminders, tags: words, pattern, dates, description } = fromTemplate("fields");
  offer("tags", tags);
  offer("zones", Intl.supportedValuesOf("timeZone"));
  zone.value = task.time_zone ?? HERE;
  [day.value, time.value] = task.due_at ? wall(Date.parse(task.due_at), zone.value).split("T") : [task.due_on ?? "", ""];
  priority.value = task.priority ?? "medium";
  words.value = (task.tags ?? []).join(", ");
  pattern.value = task.recurrence_pattern ?? "";
  description.value = task.description ?? "";
  const reminding = task.reminders ? task.reminders.join(" ") || "none" : "default";
  reminders.value = reminding;
  if (!reminders.value) reminders.append(new Option(reminding, reminding, true, true)); // by another program

  const inZone = () => zone.value.trim() || HERE;
  /** @returns {Record<string, string>} */
  const due = () => (day.value && time.value ? { due_at: moment(day.value, time.value, inZone()) } : day.value ? { due_on: day.value } : {});
  const read = () => ({
    ...{ due_at: null, due_on: null, ...due() },
    description: description.value.trim() || null,
    priority: priority.value,
    tags: words.value.split(",").map((tag) => tag.trim()).filter(Boolean),
    time_zone: inZone(),
    reminders: reminders.value === "default" ? null : reminders.value.split(" ").filter((each) => each !== "none"),
    recurrence_pattern: pattern.value.trim() || null,
  });

  /** Have the browser say what is wrong when the form is sent. */
  const check = () => {
    zone.setCustomValidity(isZone(inZone()) ? "" : "There is no such time zone.");
    const wanting = pattern.value.trim() ? "What repeats needs the date that it begins with." : time.value && "A time needs its date.";
    day.setCustomValidity(day.value ? "" : wanting);
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
  const previewSoon = whenQuiet(() => void preview());
  for (const each of [day, time, zone, pattern]) each.oninput = () => (check(), previewSoon());
  if (task.recurrence_pattern) previewSoon();
  return { element, read };
}

/** What a field offers while somebody types. @param {string} list @param {string[]} values */
function offer(list, values) {
  document.getElementById(list)?.replaceChildren(...values.map((value) => new Option(value)));
}
