"""Python classes generated from `protos/*.proto` when the package is built; not committed."""
