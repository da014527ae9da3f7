"""load: bytes from files, directories, stdin and URLs become Documents with a position for every node."""
