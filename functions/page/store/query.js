// The list's filters and orders, for tasks at hand: the server's own, as near as a browser knows them.

const PRIORITIES = ["low", "medium", "high", "urgent"];

/** @param {Task} task @param {Query} query */
export function matches(task, query) {
  const words = `${task.title}\n${task.description ?? ""}`.toLocaleLowerCase();
  return (
    (query.status === "all" || task.completed === (query.status === "completed")) &&
    (query.status !== "overdue" || isOverdue(task)) &&
    (!query.priority || task.priority === query.priority) &&
    (!query.tag || task.tags.includes(query.tag)) &&
    words.includes(query.text.toLocaleLowerCase())
  );
}

/** @param {string} sort @returns {(one: Task, other: Task) => number} */
export function comparison(sort) {
  const [sign, key] = sort.startsWith("-") ? [-1, sort.slice(1)] : [1, sort];
  /** @param {Task} task @returns {string | number} */
  const of = (task) =>
    key === "due" ? deadline(task) : key === "priority" ? PRIORITIES.indexOf(task.priority) : String(/** @type {Fields} */ (task)[key]);
  return (one, other) => {
    const [a, b] = [of(one), of(other)];
    return sign * (a < b ? -1 : a > b ? 1 : Number(one.task_id) - Number(other.task_id) || 0);
  };
}

/** @param {Task} task */
export const isOverdue = (task) => !task.completed && deadline(task) < Date.now();

/** The moment from which a task is overdue, in ms: that of its due time, or the end of its day. @param {Task} task */
function deadline(task) {
  if (task.due_at) return Date.parse(task.due_at);
  return task.due_on ? Date.parse(`${task.due_on}T23:59:59`) + 1000 : Infinity;
}
