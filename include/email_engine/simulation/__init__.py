"""Days played through the engine's own decisions: on drawn outcomes (simulate) or on real accounting (replay).

Pure: no database, no clock, and every die is a `random.Random` seeded by an argument."""
