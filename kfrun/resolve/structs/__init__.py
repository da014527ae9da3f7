"""structs: documents as the controller's typed structs hold them."""
