"""The page of a report: elements, charts and drawings, all of them text that a browser shows without a network."""
