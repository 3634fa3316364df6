// Elements from the document's templates, and made without markup: a text stays a text, whatever is in it.

/**
 * Make an element: h("button.primary", {type: "submit", onclick: save}, "Save"). A function is a listener, true an
 * attribute without a value; what is nullish or false is left out, and so is a child that is empty.
 * @param {string} selector @param {Fields} [attributes] @param {...(Node | string | number | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function h(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(.../** @type {(Node | string)[]} */ (children.filter(Boolean)));
  return element;
}

/** A copy of a template of index.html: its element, and its parts by name. @template {keyof Templates} K @param {K} name @returns {Templates[K]} */
export function fromTemplate(name) {
  const { content } = /** @type {HTMLTemplateElement} */ (document.getElementById(`${name}-template`));
  const element = /** @type {HTMLElement} */ (document.importNode(content, true).firstElementChild);
  /** @type {NodeListOf<HTMLElement>} */
  const parts = element.querySelectorAll("[data-part]");
  return /** @type {any} */ ({ element, ...Object.fromEntries([...parts].map((part) => [part.dataset.part, part])) });
}

/** A drawing of index.html. @param {string} name */
export function icon(name) {
  const [svg, use] = ["svg", "use"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("class", "icon");
  svg.ariaHidden = "true";
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** @param {string} look its classes @param {string | Node} content @param {() => void} onclick @param {Fields} [more] */
export function button(look, content, onclick, more = {}) {
  return h(`button${look && `.${look}`}`, { type: "button", onclick, ...more }, content);
}

/** A listener that runs when nothing more comes for a moment. @param {() => void} run */
export function whenQuiet(run) {
  let timer = 0;
  return () => (clearTimeout(timer), (timer = window.setTimeout(run, 300)));
}
