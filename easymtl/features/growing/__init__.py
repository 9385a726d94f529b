"""Tables whose ids get rows as they are seen: keys of values, maps from keys to rows, their lookup in an export."""
