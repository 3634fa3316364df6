// Where the page begins: who is signed in, then their tasks, then what changes.

import { Actions } from "./actions.js";
import { Changes } from "./api/changes.js";
import { Client } from "./api/client.js";
import { Pack } from "./api/pack.js";
import { Session } from "./session/session.js";
import { Database } from "./store/database.js";
import { Queue } from "./store/queue.js";
import { Tasks } from "./store/tasks.js";
import { addView } from "./views/add.js";
import { calendarButton } from "./views/calendar.js";
import { h } from "./views/dom.js";
import { filtersView } from "./views/filters.js";
import { landingView } from "./views/landing.js";
import { listView } from "./views/list.js";
import { packView } from "./views/pack.js";
import { notifyOfRings } from "./views/rings.js";
import { toast } from "./views/toasts.js";
import { topView } from "./views/top.js";

/** @param {string} name */
const meta = (name) => document.querySelector(`meta[name="taskmaster-${name}"]`)?.getAttribute("content") ?? "";

const main = document.getElementById("main");

async function start() {
  const database = new Database();
  const session = new Session(JSON.parse(meta("settings")), database);
  const said = await session.resume();
  if (said && !session.user) return main?.replaceChildren(landingView(session, said));
  const client = new Client(session);
  const queue = new Queue(client, database);
  const tasks = new Tasks(client, queue, database);
  show(session, new Actions(client, tasks, queue), session.settings.hasPack ? new Pack(client) : null);
  await tasks.open();
  await queue.open();
  await tasks.load();
  notifyOfRings(client, tasks);
  follow(client, tasks, queue);
}

/** @param {Session} session @param {Actions} actions @param {Pack | null} pack */
function show(session, actions, pack) {
  const filters = filtersView(actions);
  const list = listView(actions);
  const beside = pack && packView(pack);
  const buttons = [...(beside ? [beside.toggle] : []), calendarButton(actions.client)];
  const renders = [topView(session, actions, buttons), filters.render, list.render];
  main?.replaceChildren(...(beside ? [beside.element] : []), h("div.column", {}, addView(actions), filters.element, list.element));
  if (beside) pack.on("change", beside.render);
  beside?.render();
  let isPending = false;
  const render = () => {
    if (!isPending) queueMicrotask(() => ((isPending = false), renders.forEach((each) => each())));
    isPending = true;
  };
  actions.tasks.on("change", render);
  actions.tasks.on("problem", (problem) => toast(problem.message));
  session.on("change", render);
  for (const event of ["online", "offline"]) window.addEventListener(event, render);
}

/** @param {Client} client @param {Tasks} tasks @param {Queue} queue */
function follow(client, tasks, queue) {
  const changes = new Changes(client);
  changes.on("task", (task) => tasks.take(task));
  changes.on("deleted", (gone) => tasks.drop(gone.task_id, gone.version));
  changes.on("look", () => void tasks.load());
  window.addEventListener("online", () => void queue.send().then(() => tasks.load()));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void queue.send();
    else if (navigator.onLine) void queue.send(true);
  });
  changes.follow();
}

/** Keep the page's own files for when there is no network (Service Workers; Trusted Types where the browser has them). */
function keep() {
  const createScriptURL = () => `${meta("base")}service-worker.js`;
  const types = /** @type {any} */ (window).trustedTypes;
  const trusted = types?.createPolicy("service-worker", { createScriptURL }).createScriptURL("") ?? createScriptURL();
  navigator.serviceWorker?.register(trusted, { scope: "/" }).catch(() => {});
}

keep();
void start();
