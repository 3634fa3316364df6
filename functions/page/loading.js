// Looks after the loading of the modules: where one does not come, none of them runs. A network that changes is enough.

const AGAIN_MS = 30_000; // within which the page is not loaded anew a second time by itself

window.addEventListener("error", ({ target }) => {
  if (!(target instanceof HTMLScriptElement)) return;
  const again = () => (sessionStorage.setItem("loaded again", String(Date.now())), location.reload());
  if (Date.now() - Number(sessionStorage.getItem("loaded again")) > AGAIN_MS) return void setTimeout(again, 500);
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Try again", onclick: again });
  document.getElementById("main")?.replaceChildren("A part of the page could not be loaded. ", button);
}, true); // what happens to an element does not bubble
