"""When something is seen in a page: by the page's own clock, which all browsers of a machine share."""

from typing import Any

# Painted: the frame after the one in which the row was made.
_SEEN = """(title) => { window.seen = new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`${title} was not seen within 30 s`)), 30_000);
  const look = () => {
    if (![...document.querySelectorAll(".task .title")].some((each) => each.textContent === title)) return;
    observer.disconnect();
    requestAnimationFrame(() => resolve(Date.now()));
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, {subtree: true, childList: true, characterData: true});
  look();
}); }"""
_PRESSED = """() => { window.pressed = new Promise((resolve) => {
  document.querySelector("form.add").addEventListener("submit", () => resolve(Date.now()), {once: true, capture: true});
}); }"""


def between(one: Any, other: Any, title: str, act: Any) -> float:
    """The seconds from the moment that a page's form is sent until the other page shows a task of this title.

    Raises Playwright's Error when it does not within 30 s.
    """
    other.evaluate(_SEEN, title)
    one.evaluate(_PRESSED)
    act()
    seconds: float = (other.evaluate("() => window.seen") - one.evaluate("() => window.pressed")) / 1000
    return seconds
