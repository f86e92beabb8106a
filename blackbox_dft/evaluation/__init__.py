"""Statistics of scores already paid for: paired differences, tests over seeds, the free threshold."""
