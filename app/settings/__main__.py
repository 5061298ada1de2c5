"""Make the documents of the repository in the working directory anew: `python -m app.settings`."""

from pathlib import Path

from app.settings.documents import documents

for document, content in documents(Path.cwd()).items():
    document.write_text(content, encoding="utf-8")
