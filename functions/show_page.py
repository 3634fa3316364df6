"""show-page: the page for people and the reference of the API, from memory. It opens no connection."""

from pathlib import Path

from taskmaster.web.page import page

show_page = page(
    "show_page", Path(__file__).parent / "page", http=["GET /", "GET /docs", "GET /openapi.yaml", "GET /page/*"]
)
