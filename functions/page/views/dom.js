// Elements without markup: a text stays a text, whatever is in it.

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

const PATHS = {
  check: "M5 12.5 10 17.5 19.5 7",
  clock: "M12 7v5l3.5 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  repeat: "M4 11a7 7 0 0 1 7-7h6m-3-3 3 3-3 3M20 13a7 7 0 0 1-7 7H7m3 3-3-3 3-3",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5a2 2 0 0 0 4 0",
  trash: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10 11v5M14 11v5",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 20 20",
  moon: "M19 14.5A8 8 0 0 1 9.5 5a8 8 0 1 0 9.5 9.5",
  pencil: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
};

/** A line drawing of 24 units, which says nothing by itself. @param {keyof PATHS} name @returns {SVGElement} */
export function icon(name) {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  for (const [key, value] of [["viewBox", "0 0 24 24"], ["aria-hidden", "true"], ["class", "icon"]]) svg.setAttribute(key, value);
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return /** @type {SVGElement} */ (svg);
}

/** @param {string} look its classes @param {string | Node} content @param {() => void} onclick @param {Fields} [more] */
export function button(look, content, onclick, more = {}) {
  return h(`button${look && `.${look}`}`, { type: "button", onclick, ...more }, content);
}

/** A list to choose from. @param {string} name @param {string} value @param {string[][]} options @param {Fields} [more] */
export function choice(name, value, options, more = {}) {
  const made = options.map(([key, label]) => h("option", { value: key, selected: key === value }, label));
  return /** @type {HTMLSelectElement} */ (h("select", { name, ...more }, ...made));
}

/** A line to write in. @param {string} name @param {Fields} attributes */
export function input(name, attributes) {
  return /** @type {HTMLInputElement} */ (h("input", { type: "text", name, ...attributes }));
}

/** A listener that runs when nothing more comes for a moment. @param {() => void} run */
export function whenQuiet(run) {
  let timer = 0;
  return () => (clearTimeout(timer), (timer = window.setTimeout(run, 300)));
}

let count = 0;

/** A control under its label. @param {string} label @param {HTMLElement} control */
export function field(label, control) {
  control.id ||= `field-${(count += 1)}`;
  return h("div.field", {}, h("label", { for: control.id }, label), control);
}
