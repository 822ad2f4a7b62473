"""`make bench`: every speed promise against its floor, measured side by side in one run."""
