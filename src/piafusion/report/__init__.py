"""Reports: one document of text, tables and pictures, written as HTML, Markdown, LaTeX or JSON."""
