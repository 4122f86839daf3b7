"""Layerwise: exact shapes, parameters, MACs and dataflow of vision architectures."""
