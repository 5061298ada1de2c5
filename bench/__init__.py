"""One command for each figure in docs/performance.md: `python -m bench <name>`, or all of them."""
