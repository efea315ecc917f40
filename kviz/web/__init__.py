"""The front end of report and app: templates, ES modules, a style sheet, and what packs numbers."""
