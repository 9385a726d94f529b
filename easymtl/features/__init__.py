"""From raw columns to ids and numbers, and from ids to vectors."""
