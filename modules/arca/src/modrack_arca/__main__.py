"""`python -m modrack_arca serve --bind 127.0.0.1:0`, and the entry of the bundle. Declares nothing."""

from __future__ import annotations

from modrack_arca.component import component


def main() -> None:
    """Serves until SIGTERM, and exits."""
    component().run()


if __name__ == "__main__":
    main()
