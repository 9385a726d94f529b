"""A search for better values of a config's fields: the space, the study, its trials, and the config that won."""
