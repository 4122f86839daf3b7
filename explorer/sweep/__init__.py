"""Many points at once: models x sizes x batches x options, each a row of plain values.

points = grid(["resnet18", "resnet50"], sizes=[128, 224, (256, 128)], batches=[1, 8])
for row in run(points, "out.parquet"):
    print(row.model, row.input, row.macs, row.error)
"""

from explorer.sweep.journal import to_frame
from explorer.sweep.points import Point, Row, compute, grid
from explorer.sweep.sweeping import Progress, run

__all__ = ["Point", "Progress", "Row", "compute", "grid", "run", "to_frame"]
