// What can be asked about tasks, by path and query.

/**
 * @typedef {"low" | "medium" | "high" | "urgent"} Priority
 * @typedef {{
 *   task_id: number | string, title: string, description: string | null, completed: boolean, priority: Priority,
 *   tags: string[], due_at: string | null, due_on: string | null, time_zone: string, reminders: string[] | null,
 *   snoozed_until: string | null, recurrence_pattern: string | null, recurrence_paused: boolean,
 *   series_id: number | null, version: number, created_at: string, updated_at: string, completed_at: string | null,
 * }} Task
 * @typedef {{status: string, priority: string, tag: string, text: string, sort: string}} Query
 * @typedef {{due_at?: string | null, due_on?: string | null}} Date_
 */

const PAGE = 30;

/**
 * A page of tasks. @param {import("./client.js").Client} client @param {Query} query @param {string | null} cursor
 * @returns {Promise<{tasks: Task[], next_cursor: string | null}>}
 */
export function list(client, query, cursor = null) {
  const asked = new URLSearchParams({ status: query.status, sort: query.sort, limit: String(PAGE) });
  for (const name of /** @type {const} */ (["priority", "tag", "text"])) if (query[name]) asked.set(name, query[name]);
  if (cursor) asked.set("cursor", cursor);
  return client.read(`/tasks?${asked}`);
}

/** @param {import("./client.js").Client} client @param {number | string} id @returns {Promise<Task>} */
export const get = (client, id) => client.read(`/tasks/${id}`);

/**
 * The first dates of a pattern that is being typed. Throws Problem where it is none.
 * @param {import("./client.js").Client} client
 * @param {{recurrence_pattern: string, due_at?: string, due_on?: string, time_zone: string}} pattern
 * @param {AbortSignal} signal @returns {Promise<{due_at: string | null, due_on: string | null}[]>}
 */
export async function preview(client, pattern, signal) {
  const asked = new URLSearchParams({ ...pattern, count: "5" });
  return (await client.read(`/occurrences?${asked}`, { signal })).occurrences;
}
