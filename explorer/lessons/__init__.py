"""What the lessons compute: small experiments with real layers, models and gradients.

Modules here return records of plain values, arrays and Plotly figures; sentences are the app's.
"""
