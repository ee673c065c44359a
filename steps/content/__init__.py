"""What the commands ask: which path, what was found, what stands in the way; the engine's one seam to the steps."""
