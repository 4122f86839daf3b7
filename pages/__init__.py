"""The pages of the app, one folder a section; `app.py` is their shell."""
