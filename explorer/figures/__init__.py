"""Plotly figures as pure functions: records in, figure out."""
