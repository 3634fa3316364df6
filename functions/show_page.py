"""show-page: the page for people, from memory. It opens no connection, and sleeps like the others."""

from pathlib import Path

from taskmaster.web.page import page

show_page = page("show_page", Path(__file__).parent / "page", http=["GET /", "GET /page/*"])
