"""Whether accuracy changed: tests on pairs of outcomes, and what they are able to see."""
