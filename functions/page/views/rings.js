// Reminders that ring while the page is open, as notifications of the browser, for whoever allowed them.

import { dueText } from "./dates.js";
import { whenQuiet } from "./dom.js";

/** @param {Client} client @param {Tasks} tasks */
export function notifyOfRings(client, tasks) {
  let timers = /** @type {number[]} */ ([]);
  const ring = async (/** @type {Reminder} */ { task_id: id, reminder_id: tag }) => {
    const task = tasks.known.get(id);
    if (!task || task.completed) return;
    const worker = await navigator.serviceWorker.ready; // where pages may not, as on phones, it may
    await worker.showNotification(task.title, { tag, body: dueText(task, task.time_zone) });
  };
  const look = async () => {
    const ids = tasks.shown().filter(({ task_id: id, completed }) => Number(id) && !completed).slice(0, 100);
    if (!ids.length || globalThis.Notification?.permission !== "granted" || document.visibilityState !== "visible") return;
    const asked = new URLSearchParams(ids.map(({ task_id: id }) => ["task_id", String(id)]));
    const found = /** @type {Reminder[] | undefined} */ ((await client.read(`/reminders?${asked}`).catch(() => undefined))?.reminders);
    if (!found) return;
    timers.forEach(clearTimeout);
    const ahead = found.map((each) => ({ each, wait: Date.parse(each.due_at ?? "") - Date.now() }));
    const soon = ahead.filter(({ wait }) => wait > 0 && wait < 86_400_000); // a day: later ones are asked about again
    timers = soon.map(({ each, wait }) => window.setTimeout(() => void ring(each), wait));
  };
  tasks.on("change", whenQuiet(() => void look()));
}
