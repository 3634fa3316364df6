// Dates as people read and write them: in a zone, near ones by name.

export const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** What a zone's clock shows: "2026-11-24T09:00". @param {number} moment @param {string} zone */
export function wall(moment, zone) {
  const two = /** @type {const} */ ("2-digit");
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: two, day: two, hour: two, minute: two,
  }).formatToParts(moment);
  const of = Object.fromEntries(parts.map((each) => [each.type, each.value]));
  return `${of.year.padStart(4, "0")}-${of.month}-${of.day}T${of.hour}:${of.minute}`;
}

/**
 * The moment at which a zone's clock shows this, as RFC 3339 in UTC. A time that the clock skips is the one as far behind
 * the change (RFC 5545, 3.3.5). @param {string} day @param {string} time @param {string} zone
 */
export function moment(day, time, zone) {
  const wanted = Date.parse(`${day}T${time}:00Z`);
  const offset = (/** @type {number} */ at) => Date.parse(`${wall(at, zone)}:00Z`) - at;
  const first = wanted - offset(wanted - 43_200_000);
  const second = wanted - offset(first);
  const found = offset(second) === wanted - second ? second : first;
  return new Date(found).toISOString().replace(".000Z", "Z");
}

/** @param {string} zone */
export function isZone(zone) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: zone })) && zone !== "";
  } catch {
    return false;
  }
}

/** When a task is due, in words; "" where it is not. @param {Due} task @param {string} zone */
export function dueText(task, zone) {
  if (!task.due_at && !task.due_on) return "";
  const [day, time] = task.due_at ? wall(Date.parse(task.due_at), zone).split("T") : [String(task.due_on), ""];
  const far = zone !== HERE && time ? ` (${zone.replace(/_/g, " ")})` : "";
  return `${dayText(day)}${time && `, ${time}`}${far}`;
}

/** @param {string} day */
function dayText(day) {
  const today = wall(Date.now(), HERE).slice(0, 10);
  const away = Math.round((Date.parse(day) - Date.parse(today)) / 86_400_000);
  if (away >= -1 && away <= 1) return ["Yesterday", "Today", "Tomorrow"][away + 1];
  const isNear = away > 1 && away < 7;
  const year = day.slice(0, 4) === today.slice(0, 4) ? undefined : /** @type {const} */ ("numeric");
  const shown = /** @type {Intl.DateTimeFormatOptions} */ (isNear ? { weekday: "long" } : { weekday: "short", day: "numeric", month: "short", year });
  return new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...shown }).format(Date.parse(day));
}

/** A moment of the past. @param {number} at */
export function clockText(at) {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat("en-GB", { timeStyle: "short", dateStyle: isToday ? undefined : "medium" }).format(at);
}
