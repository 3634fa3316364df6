// Where the page begins: who is signed in, then their tasks, then what changes.

import { Actions } from "./actions.js";
import { Changes } from "./api/changes.js";
import { Client } from "./api/client.js";
import { Session } from "./session/session.js";
import { Database } from "./store/database.js";
import { Queue } from "./store/queue.js";
import { Tasks } from "./store/tasks.js";
import { addView } from "./views/add.js";
import { h } from "./views/dom.js";
import { filtersView } from "./views/filters.js";
import { landingView } from "./views/landing.js";
import { ListView } from "./views/list.js";
import { toast } from "./views/toasts.js";
import { topView } from "./views/top.js";

/** @param {string} name */
const meta = (name) => document.querySelector(`meta[name="taskmaster-${name}"]`)?.getAttribute("content") ?? "";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));

async function start() {
  const database = new Database();
  const session = new Session(JSON.parse(meta("settings")), database);
  const said = await session.resume();
  if (said && !session.user) {
    topView(session, null);
    main.replaceChildren(landingView(session, said));
    return;
  }
  const client = new Client(session);
  const queue = new Queue(client, database);
  const tasks = new Tasks(client, queue, database);
  const actions = new Actions(client, tasks, queue);
  show(session, actions);
  await tasks.open();
  await queue.open();
  await tasks.load();
  follow(client, tasks, queue);
}

/** @param {Session} session @param {Actions} actions */
function show(session, actions) {
  const renderTop = topView(session, actions);
  const filters = filtersView(actions);
  const list = new ListView(actions);
  main.replaceChildren(h("div.column", {}, addView(actions), filters.element, list.element));
  let isPending = false;
  const render = () => {
    if (isPending) return;
    isPending = true;
    queueMicrotask(() => {
      isPending = false;
      renderTop();
      filters.render();
      list.render();
    });
  };
  actions.tasks.addEventListener("change", render);
  actions.tasks.addEventListener("problem", (event) => toast(/** @type {CustomEvent} */ (event).detail.message));
  session.addEventListener("change", render);
  for (const event of ["online", "offline"]) window.addEventListener(event, render);
}

/** @param {Client} client @param {Tasks} tasks @param {Queue} queue */
function follow(client, tasks, queue) {
  const changes = new Changes(client);
  const others = new BroadcastChannel("taskmaster"); // pages of the same browser
  changes.addEventListener("task", (event) => tasks.take(/** @type {CustomEvent} */ (event).detail));
  changes.addEventListener("deleted", (event) => {
    const { task_id: id, version } = /** @type {CustomEvent} */ (event).detail;
    tasks.drop(id, version);
  });
  changes.addEventListener("look", () => void tasks.load());
  queue.addEventListener("done", () => others.postMessage("changed"));
  others.addEventListener("message", () => document.visibilityState === "visible" && void tasks.load());
  window.addEventListener("online", () => void queue.send().then(() => tasks.load()));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void queue.send();
    else if (navigator.onLine) void queue.send(true);
  });
  changes.follow();
}

/** Keep the page's own files for when there is no network (Service Workers; Trusted Types where the browser has them). */
function keep() {
  if (!("serviceWorker" in navigator)) return;
  const url = `${meta("base")}service-worker.js`;
  const types = /** @type {any} */ (window).trustedTypes;
  const trusted = types?.createPolicy("service-worker", { createScriptURL: () => url }).createScriptURL("") ?? url;
  navigator.serviceWorker.register(trusted, { scope: "/" }).catch(() => {});
}

keep();
void start();
