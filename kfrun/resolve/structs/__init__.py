"""structs: documents as the controller's typed structs hold them, and the fields that these have."""
