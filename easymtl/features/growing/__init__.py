"""Tables whose ids get rows as they are seen: keys of values, the map from keys to rows, and its lookup in an export."""
