// Keeps the page's own files, so that it opens at once and without a network. It never keeps an answer about tasks.

const NAME = "page";

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== self.location.origin) return;
  if (event.request.mode === "navigate" && pathname === "/") event.respondWith(opened(event));
  else if (pathname.startsWith("/page/")) {
    event.respondWith(caches.match(event.request.url).then((found) => found ?? fetch(event.request)));
  }
});

// A notification of a reminder leads to the page.
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const pages = self.clients.matchAll({ type: "window", includeUncontrolled: true }); // also that of a first visit
  const page = pages.then((found) => found.find(({ url }) => new URL(url).pathname === "/"));
  event.waitUntil(page.then((found) => found?.focus() ?? self.clients.openWindow("/")));
});

/** The document that was kept, at once: a start from zero takes a moment. A newer one is kept for the next time. */
async function opened(event) {
  const found = await (await caches.open(NAME)).match("/");
  if (!found) return fetch("/");
  event.waitUntil(keep().catch(() => {})); // out of reach: what was kept is good enough
  return found;
}

/** Keep the document and every file that it names, and nothing of the version before. */
async function keep() {
  const answer = await fetch("/", { cache: "no-cache" });
  if (!answer.ok) throw new Error(`the document was answered with ${answer.status}`);
  const cache = await caches.open(NAME);
  const text = await answer.clone().text();
  if (text === (await (await cache.match("/"))?.text())) return;
  const names = new Set([...text.matchAll(/(?:href|src)="(\/page\/[^"]+)"/g)].map((found) => found[1]));
  await cache.addAll([...names]);
  await cache.put("/", answer);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/" && !names.has(pathname)) await cache.delete(request);
  }
}
