"""Studies over many networks, whose committed results the chapters read."""
