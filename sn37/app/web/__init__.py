"""The web application: pages and JSON of the leaderboard. FastAPI and jinja2 live here."""
