"""SavedModels: making one, proving that it scores as the checkpoint does, scoring with it."""
